"""F11: a worker is killed in a conversation, and the callee never hears ten seconds of silence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.heard import longest_quiet
from tests.kit.processes import frozen, kill, processes, until_workers
from tests.kit.rooms_left import rooms_left
from tests.kit.until import until_sync

pytestmark = pytest.mark.alone

#: Units: seconds. The bound that the product promises.
LONGEST_SILENCE = 10.0


def holder(gateway: Gateway, call_id: str) -> str:
    """Name the worker that joined last."""
    joined = [e for e in gateway.events(call_id) if e["type"] == "call.agent_joined"]
    return joined[-1]["data"]["worker_id"]


def spoken(gateway: Gateway, call_id: str, speaker: str, count: int) -> Callable[[], bool]:
    """Wait for so many turns of one side."""
    return lambda: len([t for t in gateway.turns(call_id) if t["speaker"] == speaker]) >= count


def talking(gateway: Gateway, number: str) -> dict[str, Any]:
    """Place a call, and wait until the callee has spoken."""
    call = gateway.place(number)
    gateway.until_status(call["id"], "in_progress")
    until_sync(spoken(gateway, call["id"], "callee", 1), 60, what="the callee has spoken")
    return call


def the_end(ledger: CarrierLedger, number: str, since: datetime) -> CarrierCall:
    """Give the carrier's record of the one call, once it is over there."""
    return until_sync(
        lambda: next((c for c in ledger.calls(number, since=since) if c.complete), None),
        30,
        what="the carrier's side has ended",
    )


@pytest.mark.fault("F11")
def test_another_worker_takes_the_conversation_over(
    running: dict[str, Any],
    gateway: Gateway,
    ledger: CarrierLedger,
    others_may_run: Callable[[], None],
) -> None:
    until_workers(running)
    number, since = "+14155550100", datetime.now(UTC)
    call = talking(gateway, number)
    lost, killed = holder(gateway, call["id"]), datetime.now(UTC)

    kill(running, lost)

    until_sync(lambda: spoken_since_the_rescue(gateway, call["id"]), 60, what="the talk goes on")
    others_may_run()
    ended = gateway.until_ended(call["id"], timeout=120)
    told = gateway.events(call["id"])
    types = [event["type"] for event in told]
    assert types.count("call.agent_lost") == 1 and types.count("call.agent_rescued") == 1, told
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "agent_hangup"), told
    seen = the_end(ledger, number, since)
    quiet = longest_quiet(seen, killed, when(told, "call.agent_rescued"))
    print(f"longest silence at the phone: {quiet.seconds:.1f} s from {quiet.begins:.1f} s on")
    assert quiet.seconds <= LONGEST_SILENCE, told
    # One call, dialled once, and its callee said the whole of its part.
    assert ledger.only_call(number, since=since).invites == 1
    written = [turn["text"] for turn in gateway.turns(call["id"]) if turn["speaker"] == "callee"]
    assert len(written) >= 3, written
    until_sync(lambda: not rooms_left(running, call["id"], gateway), 20, what="the room is gone")


@pytest.mark.slow
@pytest.mark.fault("F11", "F30")
def test_the_longest_duration_still_counts_from_the_answer(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    until_workers(running)
    number, since = "+14155550133", datetime.now(UTC)
    call = gateway.place(number, max_duration_seconds=40)
    gateway.until_status(call["id"], "in_progress")
    until_sync(spoken(gateway, call["id"], "agent", 1), 60, what="the agent has spoken")

    kill(running, holder(gateway, call["id"]))

    ended = gateway.until_ended(call["id"], timeout=90)
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "max_duration")
    assert ended["duration_seconds"] <= 60
    assert the_end(ledger, number, since).received("BYE")


@pytest.mark.slow
@pytest.mark.fault("F11", "F15")
def test_a_worker_that_was_frozen_comes_back_and_stays_out_of_its_old_call(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    until_workers(running)
    number, since = "+14155550133", datetime.now(UTC)
    call = talking(gateway, number)
    lost = holder(gateway, call["id"])

    # LiveKit keeps such a worker on its list, and offers it rescues that it never answers.
    since_frozen = datetime.now(UTC)
    with frozen([processes(running)[lost]]):
        until_sync(
            lambda: "call.agent_rescued" in types(gateway, call["id"]), 30, what="it was rescued"
        )
        said = len(agent_turns(gateway, call["id"]))
        until_sync(
            lambda: len(agent_turns(gateway, call["id"])) >= said + 2, 60, what="the talk goes on"
        )
    said = len(agent_turns(gateway, call["id"]))
    until_sync(
        lambda: len(agent_turns(gateway, call["id"])) >= said + 3, 90, what="the talk still goes on"
    )

    told = gateway.events(call["id"])
    assert gateway.call(call["id"])["status"] == "in_progress", told
    assert types(gateway, call["id"]).count("call.agent_lost") == 1, told
    # The old agent is not in the room: whoever is there speaks to the callee.
    members = [e["data"] for e in told if e["data"].get("kind") == "agent"]
    came = [e["identity"] for e in members if "disconnect_reason" not in e]
    went = [e["identity"] for e in members if "disconnect_reason" in e]
    assert len(set(came) - set(went)) == 1, told
    assert gateway.hang_up(call["id"]).status_code == 202
    ended = gateway.until_ended(call["id"])
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "api_hangup")
    seen = the_end(ledger, number, since)
    quiet = longest_quiet(seen, since_frozen, when(told, "call.agent_rescued"))
    print(f"longest silence at the phone: {quiet.seconds:.1f} s from {quiet.begins:.1f} s on")
    assert quiet.seconds <= LONGEST_SILENCE, told
    until_workers(running)


def when(told: list[dict[str, Any]], type_: str) -> datetime:
    """Give the time of the one event of a type."""
    (found,) = [event["occurred_at"] for event in told if event["type"] == type_]
    return datetime.fromisoformat(found)


def spoken_since_the_rescue(gateway: Gateway, call_id: str) -> bool:
    """Say whether the next agent has spoken: whatever silence there was is over."""
    told = gateway.events(call_id)
    rescued = next((e["sequence"] for e in told if e["type"] == "call.agent_rescued"), None)
    turns = [e for e in told if e["type"] == "call.turn" and e["data"]["speaker"] == "agent"]
    return rescued is not None and any(turn["sequence"] > rescued for turn in turns)


def types(gateway: Gateway, call_id: str) -> list[str]:
    """List the types of a call's events."""
    return [event["type"] for event in gateway.events(call_id)]


def agent_turns(gateway: Gateway, call_id: str) -> list[dict[str, Any]]:
    """List what the agents of a call said."""
    return [turn for turn in gateway.turns(call_id) if turn["speaker"] == "agent"]
