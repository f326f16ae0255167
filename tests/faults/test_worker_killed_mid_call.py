"""F11: a worker is killed in a conversation, and the callee never hears ten seconds of silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.heard import longest_quiet
from tests.kit.processes import kill
from tests.kit.rooms_left import rooms_left
from tests.kit.until import until_sync

#: Units: seconds. The bound that the product promises.
LONGEST_SILENCE = 10.0


def holder(gateway: Gateway, call_id: str) -> str:
    """Name the worker that joined last."""
    joined = [e for e in gateway.events(call_id) if e["type"] == "call.agent_joined"]
    return joined[-1]["data"]["worker_id"]


def spoken(gateway: Gateway, call_id: str, speaker: str, count: int) -> Callable[[], bool]:
    """Wait for so many turns of one side."""
    return lambda: len([t for t in gateway.turns(call_id) if t["speaker"] == speaker]) >= count


def the_end(ledger: CarrierLedger, number: str, since: datetime) -> CarrierCall:
    """Give the carrier's record of the one call, once it is over there."""
    return until_sync(
        lambda: next((c for c in ledger.calls(number, since=since) if c.complete), None),
        30,
        what="the carrier's side has ended",
    )


@pytest.mark.fault("F11")
def test_another_worker_takes_the_conversation_over(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    number, since = "+14155550100", datetime.now(UTC)
    call = gateway.place(number)
    gateway.until_status(call["id"], "in_progress")
    until_sync(spoken(gateway, call["id"], "callee", 1), 60, what="the callee has spoken")
    lost = holder(gateway, call["id"])

    kill(running, lost)

    ended = gateway.until_ended(call["id"], timeout=120)
    told = gateway.events(call["id"])
    types = [event["type"] for event in told]
    assert types.count("call.agent_lost") == 1 and types.count("call.agent_rescued") == 1, told
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "agent_hangup"), told
    seen = the_end(ledger, number, since)
    quiet = longest_quiet(Path(seen.raw["heard_wav"]))
    print(f"longest silence at the phone: {quiet.seconds:.1f} s from {quiet.begins:.1f} s on")
    assert quiet.seconds <= LONGEST_SILENCE, told
    # One call, dialled once, and its callee said the whole of its part.
    assert ledger.only_call(number, since=since).invites == 1
    written = [turn["text"] for turn in gateway.turns(call["id"]) if turn["speaker"] == "callee"]
    assert len(written) >= 3, written
    until_sync(lambda: not rooms_left(running, call["id"], gateway), 20, what="the room is gone")


@pytest.mark.fault("F11", "F30")
def test_the_longest_duration_still_counts_from_the_answer(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    number, since = "+14155550133", datetime.now(UTC)
    call = gateway.place(number, max_duration_seconds=40)
    gateway.until_status(call["id"], "in_progress")
    until_sync(spoken(gateway, call["id"], "agent", 1), 60, what="the agent has spoken")

    kill(running, holder(gateway, call["id"]))

    ended = gateway.until_ended(call["id"], timeout=90)
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "max_duration")
    assert ended["duration_seconds"] <= 60
    assert the_end(ledger, number, since).received("BYE")
