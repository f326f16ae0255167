"""The API dies at the edges of the ledger: nothing is dialled twice, and nothing is forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from tests.faults.conftest import Stack
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.processes import frozen, processes, until_back
from tests.kit.rooms_left import rooms_left
from tests.kit.until import until_sync


@pytest.mark.fault("F1")
def test_a_call_whose_answer_was_lost_is_placed_once(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F1: killed after the commit, before the reply; the client sends the same five times."""
    since, before = datetime.now(UTC), processes(whole.running)["api"]
    body = {"call_type": "sip", "phone_number": "+14155550102"}
    key = {"Idempotency-Key": str(uuid4())}
    whole.arm("place.after_commit")
    with pytest.raises(httpx.TransportError):
        gateway.http.post("/calls", json=body, headers=key)
    until_back(whole.running, "api", before)

    def again(_: int) -> httpx.Response:
        return gateway.http.post("/calls", json=body, headers=key)

    with ThreadPoolExecutor(5) as clients:
        answers = list(clients.map(again, range(5)))

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.headers["Idempotent-Replayed"] for answer in answers} == {"true"}
    ids = {answer.json()["id"] for answer in answers}
    assert len(ids) == 1
    assert gateway.until_ended(ids.pop())["outcome"] == "busy"
    assert ledger.only_call("+14155550102", since=since).invites == 1


@pytest.mark.slow
@pytest.mark.fault("F2")
def test_calls_whose_dispatcher_died_are_dialled_once_by_the_next(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F2: killed right after a claim, before its room is made, and after it."""
    since = datetime.now(UTC)
    points = ("claim.after_commit", "room.before_create", "room.after_create")
    numbers = ("+14155550102", "+14155550104", "+14155550105")
    whole.arm(*points)
    ids: list[str] = []
    for number in numbers:
        before = processes(whole.running)["api"]
        # The answer may go down with the process.
        answer = until_sync(lambda number=number: _placed(gateway, number), 30, what="placed")
        ids.append(answer)
        if any((whole.failpoints / point).exists() for point in points):
            until_back(whole.running, "api", before)

    outcomes = [gateway.until_ended(call_id, timeout=90)["outcome"] for call_id in ids]

    assert outcomes == ["busy", "declined", "invalid_number"]
    assert not any((whole.failpoints / point).exists() for point in points), "a point never fired"
    for number in numbers:
        assert ledger.only_call(number, since=since).invites == 1


@pytest.mark.fault("F3")
def test_a_permit_whose_answer_was_lost_is_asked_for_again_and_dialled_once(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F3: killed after the permit's commit, before its reply; however long the API is away."""
    since, before = datetime.now(UTC), processes(whole.running)["api"]
    whole.arm("permit.after_commit")
    call = gateway.place("+14155550102")
    until_back(whole.running, "api", before)

    assert gateway.until_ended(call["id"], timeout=90)["outcome"] == "busy"
    assert not (whole.failpoints / "permit.after_commit").exists(), "the point never fired"
    assert ledger.only_call("+14155550102", since=since).invites == 1
    until_sync(
        lambda: not rooms_left(whole.running, call["id"], gateway), 30, what="the room is gone"
    )


@pytest.mark.slow
@pytest.mark.fault("F5")
@pytest.mark.timeout(300)
def test_a_returned_permit_whose_answer_was_lost_is_given_anew_and_dialled_once(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F5: no bridge is there; killed after the return's commit, before its reply."""
    since, before = datetime.now(UTC), processes(whole.running)
    whole.arm("return.after_commit")
    with frozen([before["livekit-sip"]]):
        call = gateway.place("+14155550102")
        until_back(whole.running, "api", before["api"], timeout=60)

    assert gateway.until_ended(call["id"], timeout=90)["outcome"] == "busy"
    assert not (whole.failpoints / "return.after_commit").exists(), "the point never fired"
    assert ledger.only_call("+14155550102", since=since).invites == 1
    types = [event["type"] for event in gateway.events(call["id"])]
    assert types.count("call.dialing") == types.count("call.requeued") + 1, types


@pytest.mark.slow
@pytest.mark.fault("F31")
def test_a_report_whose_answer_was_lost_is_stored_once(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F31: the worker's events are committed, the acknowledgement is lost, they come again."""
    before = processes(whole.running)["api"]
    call, since = on_the_phone(gateway, "+14155550101")
    whole.arm("events.after_commit")
    ledger.hang_up(ledger.only_call("+14155550101", since=since).raw["id"])
    until_back(whole.running, "api", before)

    assert gateway.until_ended(call["id"])["ended_reason"] == "callee_hangup"
    events = gateway.events(call["id"])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    types = [event["type"] for event in events]
    for once in ("call.agent_joined", "call.dialing", "call.answered", "call.ended"):
        assert types.count(once) == 1, types


def _placed(gateway: Gateway, number: str) -> str | None:
    """Place a call as a client does that tries again with the same key."""
    body = {"call_type": "sip", "phone_number": number}
    try:
        answer = gateway.http.post(
            "/calls", json=body, headers={"Idempotency-Key": f"{gateway.http.base_url}{number}"}
        )
    except httpx.TransportError:
        return None
    return answer.json()["id"] if answer.status_code == 202 else None
