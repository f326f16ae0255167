"""Calls that wait while every worker is busy: cancelled at once, and never lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.faults.test_kills import processes, ready
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.until import until_sync

#: What the sandbox's workers carry together.
SEATS = 10
RINGS_ON = "+14155550103"
BUSY = "+14155550102"


@contextmanager
def all_seats_taken(gateway: Gateway) -> Generator[None]:
    """Keep every worker busy with phones that ring on, until the block ends."""
    taken = [gateway.place(RINGS_ON, ring_timeout_seconds=80)["id"] for _ in range(SEATS)]
    try:
        for call_id in taken:
            gateway.until_status(call_id, "ringing", timeout=90)
        yield
    finally:
        for call_id in taken:
            gateway.hang_up(call_id)
    for call_id in taken:
        gateway.until_ended(call_id)


def waits(gateway: Gateway, call_id: str) -> bool:
    call = gateway.call(call_id)
    return call["status"] == "queued" and call["waiting_for"] == "capacity"


def test_a_waiting_call_is_cancelled_at_once(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    until_sync(lambda: ready(running), 60)
    since = datetime.now(UTC)
    with all_seats_taken(gateway):
        call = gateway.place(BUSY)
        until_sync(lambda: waits(gateway, call["id"]), 20, what="it waits for capacity")

        answer = gateway.hang_up(call["id"])

        # Over in the very answer: nobody has to be asked.
        assert answer.json()["status"] == "ended", answer.text
        assert answer.json()["outcome"] == "canceled"
    assert ledger.calls(BUSY, since=since) == []
    assert gateway.call(call["id"])["ended_reason"] == "api_hangup"


@pytest.mark.slow
def test_a_scheduled_shutdown_loses_no_waiting_call(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    until_sync(lambda: ready(running), 60)
    since = datetime.now(UTC)
    with all_seats_taken(gateway):
        waiting = [gateway.place(BUSY)["id"] for _ in range(6)]
        until_sync(lambda: all(waits(gateway, c) for c in waiting), 20, what="they wait")

        stopped = processes(running)["api"]
        os.kill(stopped, signal.SIGTERM)

        back = {None, stopped}
        until_sync(lambda: processes(running).get("api") not in back and ready(running), 60)
        assert {gateway.call(call_id)["status"] for call_id in waiting} == {"queued"}

    ended = [gateway.until_ended(call_id, timeout=90) for call_id in waiting]
    assert {call["outcome"] for call in ended} == {"busy"}
    seen = ledger.calls(BUSY, since=since)
    assert [record.invites for record in seen] == [1] * len(waiting)
    assert len({record.raw["headers"]["x-attempt-id"] for record in seen}) == len(waiting)
