"""F12: what the other calls of a process hear and lose when one of its calls is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_worker_killed_mid_call import the_end, when
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.heard import longest_quiet, quiet_stretches
from tests.kit.processes import kill, processes, ready, times_ready
from tests.kit.running import sandbox
from tests.kit.until import until_sync

#: Each test here takes minutes.
pytestmark = pytest.mark.slow

#: Units: seconds.
LONGEST_HOLE = 0.5
#: Units: seconds. Then it lets go of an agent that was killed, give or take a few.
LIVEKIT_WAITS = 15.0
#: Units: seconds. From a worker that is ready to its voice at the phone.
STEPS_IN = 10.0
#: Nobody interrupts the agent there.
LISTENS = "+14155550101"
STUCK = "+14155550133"
#: Half a minute of words; the call beside it is stuck in the midst of them.
SPEECH = " and then ".join(
    f"we will meet on {day} at {hour}"
    for day in ("Monday", "Tuesday", "Wednesday", "Thursday")
    for hour in ("two", "three", "four")
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a sandbox with one worker, whose calls have the faults that they ask for."""
    state = tmp_path_factory.mktemp("neighbours")
    environment = {"WORKER_FAILPOINTS": "true"}
    with sandbox(state, "--without", "worker-2", environment=environment) as description:
        yield description


def speaking(gateway: Gateway) -> dict[str, Any]:
    """Place a call whose agent speaks for long, and wait until it does."""
    call = gateway.place(LISTENS, variables={"appointment": SPEECH})
    return gateway.until_status(call["id"], "in_progress")


@pytest.mark.fault("F12")
def test_a_call_that_blocks_its_loop_costs_its_neighbour_nothing(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    until_sync(lambda: ready(running), 90)
    pid, since = processes(running)["worker"], datetime.now(UTC)
    neighbour = speaking(gateway)

    stuck = gateway.place(STUCK, metadata={"failpoint": "sleep"})
    gateway.until_status(stuck["id"], "in_progress")
    # The one worker takes no more calls while its neighbour lives: there is nobody to take it over.
    ended = gateway.until_ended(stuck["id"])
    assert (ended["outcome"], ended["ended_reason"]) == ("failed", "agent_error")
    assert the_end(ledger, STUCK, since).received("BYE")

    assert gateway.call(neighbour["id"])["status"] == "in_progress"
    assert processes(running)["worker"] == pid
    until_spoken(gateway, neighbour["id"])
    assert processes(running)["worker"] == pid, "a process with a live call was ended"
    assert gateway.hang_up(neighbour["id"]).status_code == 202
    left = gateway.until_ended(neighbour["id"])
    assert (left["outcome"], left["ended_reason"]) == ("completed", "api_hangup")
    types = [event["type"] for event in gateway.events(neighbour["id"])]
    assert "call.agent_lost" not in types

    seen = the_end(ledger, LISTENS, since)
    until_sync(
        lambda: processes(running).get("worker") not in {None, pid} and ready(running),
        90,
        what="the process was replaced",
    )
    # The same speech with nothing beside it tells which pauses belong to it.
    calm = calmly(gateway, ledger)
    print(f"the neighbour's speech and pauses: {sound(seen)} s, undisturbed {sound(calm)} s")
    (length, pauses), (own_length, own_pauses) = sound(seen), sound(calm)
    assert pauses - own_pauses <= LONGEST_HOLE, "there were holes in the speech"
    assert (own_length - own_pauses) - (length - pauses) <= LONGEST_HOLE, "some of it was lost"


def calmly(gateway: Gateway, ledger: CarrierLedger) -> CarrierCall:
    """Let the agent give its speech undisturbed."""
    since = datetime.now(UTC)
    call = speaking(gateway)
    until_spoken(gateway, call["id"])
    gateway.hang_up(call["id"])
    gateway.until_ended(call["id"])
    return the_end(ledger, LISTENS, since)


def until_spoken(gateway: Gateway, call_id: str) -> None:
    """Wait until the agent has said everything."""
    until_sync(
        lambda: [turn for turn in gateway.turns(call_id) if turn["speaker"] == "agent"],
        90,
        what="the agent has said everything",
    )


@pytest.mark.fault("F11")
def test_the_only_worker_is_killed_and_takes_its_conversation_over_itself(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    until_sync(lambda: ready(running), 90)
    number, since = "+14155550100", datetime.now(UTC)
    call = gateway.place(number)
    gateway.until_status(call["id"], "in_progress")
    before, killed = times_ready(running, "worker"), datetime.now(UTC)

    kill(running, "worker", timeout=90)

    # Its process is there at once; until it takes calls a busy machine may need as long again.
    until_sync(
        lambda: times_ready(running, "worker") > before, 90, what="the worker is ready again"
    )
    away = (datetime.now(UTC) - killed).total_seconds()
    ended = gateway.until_ended(call["id"], timeout=120)
    told = gateway.events(call["id"])
    types = [event["type"] for event in told]
    if away > LIVEKIT_WAITS and "call.agent_rescued" not in types:
        # So slow a machine has no worker to give it to; it ends by name then.
        assert (ended["outcome"], ended["ended_reason"]) == ("failed", "lost"), told
        assert the_end(ledger, number, since).received("BYE")
        return
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "agent_hangup"), told
    assert types.count("call.agent_lost") == 1 and types.count("call.agent_rescued") == 1, told
    seen = the_end(ledger, number, since)
    quiet = longest_quiet(seen, killed, when(told, "call.agent_rescued"))
    # The time in which a worker starts is in it, and that is the machine's.
    print(f"longest silence at the phone: {quiet.seconds:.1f} s, {away:.1f} s without a worker")
    assert quiet.seconds <= max(LIVEKIT_WAITS, away + STEPS_IN)


def sound(seen: CarrierCall) -> tuple[float, float]:
    """Give the seconds from the first sound to the last, and how many of them were quiet."""
    stretches = quiet_stretches(Path(seen.raw["heard_wav"]))
    first, last = stretches[0].ends, stretches[-1].begins
    # Frames that are next to each other lie one frame apart; what is longer is a pause.
    return last - first, sum(quiet.seconds for quiet in stretches[1:-1] if quiet.seconds > 0.03)
