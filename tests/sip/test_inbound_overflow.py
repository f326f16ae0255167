"""Somebody calls one of our numbers and no agent takes the call, over real SIP."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kit.calling_in import OUR_NUMBER, Caller, callable_in, numbers, received
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import held, processes, until_workers
from tests.kit.rooms_left import rooms
from tests.kit.until import until_sync
from tests.kit.words import word_error_rate
from tests.sip.test_conversation import recognise

#: What the simulated carrier's numbers do is in docs/sandbox-carrier.md.
TALKS = "+14155550133"
#: Each of two who wait for the other to begin says nothing for a quarter of a minute.
SPEAKS_FIRST = "+14155550134"
HANGS_UP = "+14155550112"
BUSY = "+14155550102"
NEVER_ANSWERS = "+14155550103"
#: Where the four go who call at once; the first would not wait for long.
OVERFLOWS = (NEVER_ANSWERS, HANGS_UP, BUSY, None)
#: A number of ours for each, and who calls it.
WAYS_IN = tuple((f"+1415555019{last}", f"+1415555017{last}") for last in range(5, 9))
#: Of the sandbox's two workers.
SEATS = 10
APOLOGY = "I am sorry, nobody can take your call at the moment. Please call again later. Goodbye."


@pytest.fixture(scope="module", autouse=True)
def _reachable(running: dict[str, Any]) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    until_workers(running)
    with callable_in(running, OUR_NUMBER, *(ours for ours, _ in WAYS_IN)):
        yield


@pytest.fixture(scope="module")
def alone(running: dict[str, Any], _reachable: None) -> Iterator[None]:
    """Have no worker, until the last test that wants none is over."""
    workers = [name for name in processes(running) if name.startswith("worker")]
    with held(running, *workers):
        for pid in [processes(running)[name] for name in workers]:
            os.kill(pid, signal.SIGKILL)
        yield
    until_workers(running)


class Second:
    """What the carrier saw at the overflow number since the test began."""

    def __init__(self, ledger: CarrierLedger, number: str) -> None:
        self._ledger, self._number = ledger, number
        self._since = datetime.now(UTC)

    def calls(self) -> list[CarrierCall]:
        """List the calls to it."""
        found = self._ledger.calls(number=self._number)
        return [one for one in found if (one.at("started_at") or self._since) >= self._since]

    def the_one(self, timeout: float = 40) -> CarrierCall:
        """Give the call to it, of which there is one."""
        until_sync(self.calls, timeout, what="the overflow number was dialled")
        (call,) = self.calls()
        assert call.invites == 1
        return call


@dataclass(frozen=True)
class Met:
    """Somebody who called in, and what was seen at the overflow number."""

    caller: Caller
    second: Second


def types(gateway: Gateway, call_id: str) -> list[str]:
    """Give the types of a call's events."""
    return [event["type"] for event in gateway.events(call_id)]


def sent_on(running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger, why: str) -> str:
    """Let somebody call, be sent on to ``TALKS`` and hang up there; gives the call's id."""
    second = Second(ledger, TALKS)
    caller = Caller(running, ledger, gateway, behaviour="silent")
    call = caller.call(timeout=40)
    gateway.until_status(call["id"], "in_progress", timeout=60)
    told = [e for e in gateway.events(call["id"]) if e["type"] == "call.overflowed"]
    assert [event["data"]["why"] for event in told] == [why]
    assert second.the_one().raw["headers"]["x-attempt-id"]
    caller.hang_up()
    ended = gateway.until_ended(call["id"], timeout=30)
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "caller_hangup")
    return call["id"]


def test_a_caller_whose_agent_cannot_speak_goes_to_the_overflow_number(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    # Workers are there, and the agents file has no such agent.
    numbers(running, "add", OUR_NUMBER, "--agent", "nobody", "--overflow", TALKS)
    sent_on(running, gateway, ledger, "agent_error")


@pytest.fixture
def full(gateway: Gateway) -> Iterator[None]:
    """Have every seat of every worker taken, by browsers that are waited for and never come."""
    waited_for: list[str] = []

    def all_taken() -> bool:
        # A seat that was taken a moment ago may count twice, and one place more be refused.
        order = {"call_type": "voip", "ring_timeout_seconds": 80}
        answer = gateway.http.post("/calls", json=order)
        if answer.status_code == 202:
            waited_for.append(answer.json()["id"])
        else:
            assert answer.json()["code"] == "no_worker", answer.text
        return len(waited_for) == SEATS

    try:
        until_sync(all_taken, 40, what="every seat is taken")
        for call_id in waited_for:
            until_sync(
                lambda call_id=call_id: "call.agent_ready" in types(gateway, call_id),
                60,
                what="an agent waits for the browser",
            )
        yield
    finally:
        for call_id in waited_for:
            gateway.hang_up(call_id)


@pytest.mark.slow
@pytest.mark.usefixtures("full")
@pytest.mark.fault("F13")
def test_where_every_worker_is_full_the_caller_goes_to_the_overflow_number(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    numbers(running, "add", OUR_NUMBER, "--overflow", TALKS)
    call_id = sent_on(running, gateway, ledger, "no_agent")
    assert "call.agent_joined" not in types(gateway, call_id)


@pytest.mark.fault("F13", "F14")
def test_without_a_worker_the_caller_speaks_with_somebody_at_the_overflow_number(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger, alone: None
) -> None:
    numbers(running, "add", OUR_NUMBER, "--overflow", SPEAKS_FIRST)
    second = Second(ledger, SPEAKS_FIRST)
    caller = Caller(running, ledger, gateway, behaviour="long_talk")
    call = caller.call(timeout=40)
    gateway.until_status(call["id"], "in_progress", timeout=60)
    there = second.the_one()

    def both_hear() -> bool:
        here = caller.seen.rtp.get("packets_audible", 0)
        return here > 100 and second.the_one().rtp.get("packets_audible", 0) > 100

    until_sync(both_hear, 60, what="each hears the other")
    assert received(caller.seen, 180) and received(caller.seen, 200)
    told = gateway.events(call["id"])
    assert [event["type"] for event in told if event["type"].startswith("call.")] == [
        "call.received",
        "call.overflowed",
        "call.overflow_answered",
        "call.answered",
    ], told
    caller.hang_up()
    ended = gateway.until_ended(call["id"], timeout=30)
    assert (ended["outcome"], ended["ended_reason"], ended["ended_by"]) == (
        "completed",
        "caller_hangup",
        "caller",
    ), gateway.events(call["id"])
    over = until_sync(
        lambda: second.the_one() if second.the_one().complete else None, 30, what="it is over"
    )
    assert over.received("BYE") and there.call_id == over.call_id
    until_sync(
        lambda: not [name for name in rooms(running) if name.startswith("tel-in")],
        20,
        what="the room is gone",
    )


@pytest.fixture(scope="module")
def met(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger, alone: None
) -> dict[str | None, Met]:
    """Have one call in for each overflow number, at once: each waits in vain for an agent."""
    found: dict[str | None, Met] = {}
    for (ours, caller), overflow in zip(WAYS_IN, OVERFLOWS, strict=True):
        numbers(running, "add", ours, *([] if overflow is None else ["--overflow", overflow]))
        second = Second(ledger, overflow or BUSY)
        found[overflow] = Met(
            Caller(running, ledger, gateway, to=ours, caller=caller, behaviour="silent"), second
        )
    return found


def test_a_caller_who_gives_up_while_it_rings_there_cancels_the_ringing(
    gateway: Gateway, met: dict[str | None, Met]
) -> None:
    caller, second = met[NEVER_ANSWERS].caller, met[NEVER_ANSWERS].second
    call = caller.call(timeout=40)
    until_sync(lambda: second.calls() and second.the_one().at("ringing_at"), 40, what="it rings")
    # The bridge answered the caller, who hears the tone of a ringing phone.
    until_sync(lambda: caller.seen.rtp.get("first_audible_at"), 20, what="it is heard to ring")
    assert gateway.call(call["id"])["status"] == "ringing"
    caller.hang_up()
    ended = gateway.until_ended(call["id"], timeout=30)
    assert (ended["outcome"], ended["ended_reason"]) == ("canceled", "caller_hangup")
    until_sync(lambda: second.the_one().received("CANCEL"), 20, what="it rings no more")


def test_who_hangs_up_at_the_overflow_number_ends_the_call(
    gateway: Gateway, met: dict[str | None, Met]
) -> None:
    caller = met[HANGS_UP].caller
    ended = gateway.until_ended(caller.call(timeout=40)["id"], timeout=60)
    assert (ended["outcome"], ended["ended_reason"], ended["ended_by"]) == (
        "completed",
        "callee_hangup",
        "callee",
    ), gateway.events(ended["id"])
    assert caller.over().received("BYE")


@pytest.mark.fault("F13")
@pytest.mark.parametrize("overflow", [None, BUSY], ids=["no number", "busy"])
def test_where_there_is_nobody_the_caller_is_told_so(
    running: dict[str, Any], gateway: Gateway, met: dict[str | None, Met], overflow: str | None
) -> None:
    caller, second = met[overflow].caller, met[overflow].second
    ended = gateway.until_ended(caller.call(timeout=40)["id"], timeout=60)
    told = types(gateway, ended["id"])
    assert (ended["outcome"], ended["ended_reason"]) == ("failed", "no_agent"), told
    assert "call.apologised" in told, told
    assert ("call.overflowed" in told) == (overflow is not None), told
    seen = caller.over()
    assert seen.at("answered_at") and seen.received("BYE")
    heard = recognise(running, Path(seen.raw["heard_wav"]))
    assert word_error_rate(APOLOGY, heard) <= 0.4, heard
    assert len(second.calls()) == 1, "it was dialled for the caller who has an overflow number"
