"""More calls than the workers can carry at once: all ring, in order, and none is dropped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.until import until_sync

NUMBER = "+14155550112"
#: What the sandbox's workers carry together.
SEATS = 10


@pytest.mark.parametrize(
    "size",
    [
        20,
        pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(2_400)]),
    ],
)
def test_a_burst_rings_every_phone_once_and_in_order(
    size: int, gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    with ThreadPoolExecutor(size) as backend:
        # place() insists on the 202.
        placed = list(backend.map(gateway.place, [NUMBER] * size))

    waiting = [call["id"] for call in _in_queue_order(placed)[SEATS * 3 // 2 :]]
    until_sync(lambda: _say_why(gateway, waiting), 30, what="who waits says for what")
    ended = [gateway.until_ended(call["id"], timeout=60 + 10 * size) for call in placed]

    seen = ledger.calls(NUMBER, since=since)
    assert len({record.call_id for record in seen}) == len(seen) == size
    assert {record.raw["headers"]["x-attempt-id"] for record in seen} == _attempts(gateway, ended)
    assert all(record.invites == 1 for record in seen)
    assert {_end(call) for call in ended} == {("completed", "callee_hangup")}
    assert _most_overtaken(gateway, ended) <= SEATS


def _in_queue_order(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(calls, key=lambda call: (call["timestamps"]["queued_at"], call["id"]))


def _say_why(gateway: Gateway, call_ids: list[str]) -> bool:
    calls = [gateway.call(call_id) for call_id in call_ids]
    return all(call["waiting_for"] for call in calls if call["status"] == "queued")


def _attempts(gateway: Gateway, calls: list[dict[str, Any]]) -> set[str]:
    return {gateway.events(call["id"])[0]["attempt_id"] for call in calls}


def _end(call: dict[str, Any]) -> tuple[str, str]:
    return call["outcome"], call["ended_reason"]


def _most_overtaken(gateway: Gateway, calls: list[dict[str, Any]]) -> int:
    """Give by how many later calls the unluckiest one was overtaken on its way to a worker."""
    left = {call["id"]: _left_queue(gateway, call["id"]) for call in calls}
    queue = [left[call["id"]] for call in _in_queue_order(calls)]
    return max(
        sum(later < left_at for later in queue[place + 1 :]) for place, left_at in enumerate(queue)
    )


def _left_queue(gateway: Gateway, call_id: str) -> str:
    events = gateway.events(call_id)
    return next(e["recorded_at"] for e in events if e["type"] == "call.dispatching")
