"""F12: one call blocks its loop or its process, or leaks; its callee is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.test_worker_killed_mid_call import (
    LONGEST_SILENCE,
    holder,
    spoken_since_the_rescue,
    the_end,
    types,
    when,
)
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.heard import longest_quiet
from tests.kit.processes import processes, until_workers
from tests.kit.until import until_sync

pytestmark = pytest.mark.alone

LONG_TALK = "+14155550133"
#: As agent/job.py has it.
FAULT_AFTER = timedelta(seconds=2)
#: By chance alone, one of a thousand runs would not find both workers.
_TRIES = 10


@pytest.mark.fault("F12")
@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("sleep", {"agent_stuck"}),
        # A process that is back soon is seen without its call before its silence is noticed.
        pytest.param("spin", {"worker_silent", "call_not_held"}, marks=pytest.mark.slow),
        pytest.param(
            "leak", {"agent_stuck", "worker_silent", "call_not_held"}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_call_that_breaks_is_taken_over_and_its_process_replaced(
    fault: str,
    reasons: set[str],
    running: dict[str, Any],
    gateway: Gateway,
    ledger: CarrierLedger,
    others_may_run: Callable[[], None],
) -> None:
    until_workers(running)
    number, since = "+14155550100", datetime.now(UTC)

    call = gateway.place(number, metadata={"failpoint": fault})
    gateway.until_status(call["id"], "in_progress")
    broken = holder(gateway, call["id"])
    pid = processes(running)[broken]

    until_sync(lambda: spoken_since_the_rescue(gateway, call["id"]), 60, what="the talk goes on")
    others_may_run()
    ended = gateway.until_ended(call["id"], timeout=150)
    told = gateway.events(call["id"])
    lost = [event["data"] for event in told if event["type"] == "call.agent_lost"]
    assert len(lost) == 1 and lost[0]["why"] in reasons, told
    order = [event["type"] for event in told]
    assert order.index("call.agent_lost") < order.index("call.agent_rescued"), told
    assert order.count("call.agent_rescued") == 1, told
    assert ended["ended_reason"] == "agent_hangup", told
    began, rescued = when(told, "call.answered") + FAULT_AFTER, when(told, "call.agent_rescued")
    quiet = longest_quiet(the_end(ledger, number, since), began, rescued)
    print(f"{fault}, {lost[0]['why']}: longest silence at the phone {quiet.seconds:.1f} s")
    assert quiet.seconds <= LONGEST_SILENCE, told
    until_sync(
        lambda: processes(running).get(broken) not in {None, pid},
        60,
        what="the process was replaced",
    )


@pytest.mark.slow
@pytest.mark.fault("F12")
def test_the_neighbours_of_a_call_that_holds_the_interpreter_are_taken_over_as_well(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    until_workers(running)
    since = datetime.now(UTC)
    neighbours = one_in_each(gateway, {"worker", "worker-2"})

    broken = gateway.place(LONG_TALK, metadata={"failpoint": "spin"})
    gateway.until_status(broken["id"], "in_progress")
    where = holder(gateway, broken["id"])
    beside = neighbours.pop(where)
    for call_id in (beside, broken["id"]):
        until_sync(
            lambda call_id=call_id: "call.agent_rescued" in types(gateway, call_id),
            30,
            what="it was taken over",
        )
    until_sync(lambda: heard_again(gateway, beside), 60, what="the neighbour's talk goes on")
    for call_id in (*neighbours.values(), beside, broken["id"]):
        assert gateway.hang_up(call_id).status_code == 202
        assert gateway.until_ended(call_id)["ended_reason"] == "api_hangup"
    for call_id in neighbours.values():
        assert "call.agent_lost" not in types(gateway, call_id), "of another process, and touched"
    fault = when(gateway.events(broken["id"]), "call.answered") + FAULT_AFTER
    rescued = max(
        when(gateway.events(call_id), "call.agent_rescued") for call_id in (beside, broken["id"])
    )
    for seen in until_all_ended(ledger, LONG_TALK, since):
        if over(seen) < fault:
            continue
        quiet = longest_quiet(seen, fault, rescued)
        print(f"longest silence at the phone: {quiet.seconds:.1f} s from {quiet.begins:.1f} s on")
        assert quiet.seconds <= LONGEST_SILENCE


def one_in_each(gateway: Gateway, workers: set[str]) -> dict[str, str]:
    """Bring one long call into each worker; LiveKit chooses by chance, so some are hung up."""
    placed: dict[str, str] = {}
    for _ in range(_TRIES):
        call = gateway.place(LONG_TALK)
        gateway.until_status(call["id"], "in_progress")
        if placed.setdefault(holder(gateway, call["id"]), call["id"]) != call["id"]:
            gateway.hang_up(call["id"])
            gateway.until_ended(call["id"])
        if placed.keys() == workers:
            return placed
    raise AssertionError(f"{_TRIES} calls, and all of them in {placed.keys()}")


def heard_again(gateway: Gateway, call_id: str) -> bool:
    """Say whether the callee spoke after the rescue."""
    told = gateway.events(call_id)
    since = max(e["sequence"] for e in told if e["type"] == "call.agent_rescued")
    turns = [e for e in told if e["type"] == "call.turn" and e["sequence"] > since]
    return any(turn["data"]["speaker"] == "callee" for turn in turns)


def over(seen: CarrierCall) -> datetime:
    """Give the time at which a call was over."""
    ended = seen.at("ended_at")
    assert ended is not None, seen
    return ended


def until_all_ended(ledger: CarrierLedger, number: str, since: datetime) -> list[CarrierCall]:
    """Give the carrier's records of the calls to a number, once all of them are over there."""
    until_sync(
        lambda: all(call.complete for call in ledger.calls(number, since=since)),
        30,
        what="the carrier's side of all has ended",
    )
    return ledger.calls(number, since=since)
