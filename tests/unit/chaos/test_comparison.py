"""The comparison of the ledgers sees every broken promise, each made up here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.chaos.comparison import Ledgers, compare
from tests.faults.chaos.plan import draw
from tests.kit.carrier_ledger import CarrierCall

NUMBER = "+14155550102"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def event(sequence: int, type_: str) -> dict[str, Any]:
    return {"sequence": sequence, "type": type_, "attempt_id": "att_1"}


def phone(**fields: Any) -> CarrierCall:
    """Give the carrier's record of the only call."""
    raw: dict[str, Any] = {
        "call_id": "SCL_1",
        "number": NUMBER,
        "behaviour": "busy",
        "headers": {"x-attempt-id": "att_1"},
        "invites": 1,
        "state": "ended",
        "final_status": 486,
        "started_at": BEGAN.isoformat(),
        "answered_at": None,
    }
    return CarrierCall(raw | fields)


def call(**fields: Any) -> dict[str, Any]:
    """Give our record of the only call."""
    record: dict[str, Any] = {
        "id": "call_1",
        "call_type": "sip",
        "phone_number": NUMBER,
        "status": "ended",
        "waiting_for": None,
        "outcome": "busy",
        "ended_reason": "busy",
        "sip": {"status_code": 486},
        "timestamps": {"answered_at": None, "ended_at": BEGAN.isoformat()},
    }
    return record | fields


def ledgers(**fields: Any) -> Ledgers:
    """Give ledgers that agree, but for what is told."""
    values: dict[str, Any] = {
        "accepted": ["call_1"],
        "calls": [call()],
        "events": {"call_1": [event(1, "call.queued"), event(2, "call.dialing")]},
        "carrier": [phone()],
    }
    return Ledgers(**(values | fields))


def test_ledgers_that_agree_break_nothing() -> None:
    assert compare(ledgers()) == []


BROKEN: dict[str, Callable[[], Ledgers]] = {
    "accepted and not in the database": lambda: ledgers(accepted=["call_1", "call_2"]),
    "one call for two requests": lambda: ledgers(accepted=["call_1", "call_1"]),
    "in the database and never accepted": lambda: ledgers(accepted=[]),
    "dialled without an attempt": lambda: ledgers(
        carrier=[phone(), phone(call_id="SCL_2", headers={})]
    ),
    "dialled +14155550103, not": lambda: ledgers(carrier=[phone(number="+14155550103")]),
    "sent 2 INVITEs": lambda: ledgers(carrier=[phone(), phone(call_id="SCL_2")]),
    "att_1 sent 2 INVITEs": lambda: ledgers(
        carrier=[phone(call_id="SCL_0", final_status=407), phone()]
    ),
    "still queued": lambda: ledgers(calls=[call(status="queued")]),
    "without an outcome": lambda: ledgers(calls=[call(outcome=None)]),
    "events have gaps": lambda: ledgers(
        events={"call_1": [event(1, "call.queued"), event(3, "call.dialing")]}
    ),
    "permitted twice": lambda: ledgers(
        events={"call_1": [event(1, "call.dialing"), event(2, "call.dialing")]}
    ),
    "rang without a permit": lambda: ledgers(events={"call_1": [event(1, "call.queued")]}),
    "answered, but not by the carrier": lambda: ledgers(
        calls=[call(timestamps={"answered_at": "now", "ended_at": "now"})]
    ),
    "the carrier never heard of it": lambda: ledgers(carrier=[]),
    "which the carrier did not say": lambda: ledgers(carrier=[phone(final_status=603)]),
    "never hung up": lambda: ledgers(carrier=[phone(state="answered")]),
}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_seen(promise: str) -> None:
    told = [violation.what for violation in compare(BROKEN[promise]())]
    assert any(promise in what for what in told), told


def test_a_call_whose_challenge_was_lost_may_be_dialled_again() -> None:
    history = ["call.queued", "call.dialing", "call.requeued", "call.dialing"]
    told = {"call_1": [event(number, type_) for number, type_ in enumerate(history, 1)]}
    lost = phone(call_id="SCL_0", final_status=407)
    assert compare(ledgers(events=told, carrier=[lost, phone()])) == []
    # One that was busy, or one permit too few: two phones may have rung.
    assert compare(ledgers(events=told, carrier=[phone(call_id="SCL_0"), phone()])) != []
    assert compare(ledgers(events=told, carrier=[lost, phone(), phone(call_id="SCL_2")])) != []


def test_a_phone_whose_bridge_was_killed_cannot_be_hung_up() -> None:
    held = phone(state="answered", final_status=486)
    after, before = BEGAN + timedelta(seconds=1), BEGAN - timedelta(seconds=1)
    assert compare(ledgers(carrier=[held], bridge_killed=[after])) == []
    assert compare(ledgers(carrier=[held], bridge_killed=[before])) != []


def test_a_seed_always_tells_the_same_story_and_another_one_another() -> None:
    assert draw(7, 1, kills=20) == draw(7, 1, kills=20)
    assert draw(7, 1, kills=20) != draw(8, 1, kills=20)
    assert draw(7, 1, kills=20) != draw(7, 2, kills=20)
    assert len(draw(7, 1, kills=20).kills) == 20
