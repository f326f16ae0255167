"""Somebody calls one of our numbers, over real SIP."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kit.calling_in import (
    CALLER,
    NOBODYS_NUMBER,
    OUR_NUMBER,
    Caller,
    callable_in,
    numbers,
    received,
)
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import frozen, held, processes, until_workers
from tests.kit.rooms_left import rooms
from tests.kit.until import until_sync
from tests.kit.words import word_error_rate
from tests.sip.test_conversation import recognise

#: Two lines, the second a goodbye; a caller has nothing to answer late.
TALKS_BRIEFLY = "late_answer"


@pytest.fixture(scope="module", autouse=True)
def _reachable(running: dict[str, Any]) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    until_workers(running)
    with callable_in(running, OUR_NUMBER, NOBODYS_NUMBER):
        yield


@pytest.fixture(autouse=True)
def _ours(running: dict[str, Any]) -> None:  # pyright: ignore[reportUnusedFunction]
    numbers(running, "add", OUR_NUMBER)


@pytest.fixture(scope="module")
def conversation(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger, _reachable: None
) -> tuple[dict[str, Any], CarrierCall]:
    numbers(running, "add", OUR_NUMBER)
    # How a longer one goes, a call that goes out shows.
    caller = Caller(running, ledger, gateway, behaviour=TALKS_BRIEFLY)
    call = caller.call()
    ended = gateway.until_ended(call["id"], timeout=180)
    return ended, caller.over()


def test_the_record_says_who_called_whom(
    conversation: tuple[dict[str, Any], CarrierCall], gateway: Gateway
) -> None:
    call, _ = conversation
    assert (call["direction"], call["call_type"]) == ("inbound", "sip")
    assert (call["phone_number"], call["caller_id"]) == (OUR_NUMBER, CALLER)
    ended = (call["outcome"], call["ended_reason"], call["ended_by"])
    assert ended == ("completed", "agent_hangup", "agent"), gateway.events(call["id"])
    types = [event["type"] for event in gateway.events(call["id"])]
    assert types[0] == "call.received"
    assert "call.answered" in types and "call.dialing" not in types


def test_the_caller_hears_ringing_and_then_the_greeting(
    conversation: tuple[dict[str, Any], CarrierCall], gateway: Gateway, running: dict[str, Any]
) -> None:
    call, seen = conversation
    assert received(seen, 180), "it rang"
    assert len(received(seen, 200)) >= 1
    agents = [t["text"] for t in gateway.turns(call["id"]) if t["speaker"] == "agent"]
    heard = recognise(running, Path(seen.raw["heard_wav"]))
    assert word_error_rate(" ".join(agents), heard) <= 0.3, (agents, heard)
    audible, answered = seen.rtp["first_audible_at"], seen.at("answered_at")
    assert audible and answered
    late = (datetime.fromisoformat(audible) - answered).total_seconds()
    print(f"200 OK to the first word at the caller: {late * 1000:.0f} ms")
    assert 0 <= late < 5


def test_both_sides_of_it_are_in_the_transcript(
    conversation: tuple[dict[str, Any], CarrierCall], gateway: Gateway
) -> None:
    call, seen = conversation
    turns = gateway.turns(call["id"])
    assert {turn["speaker"] for turn in turns} == {"agent", "caller"}
    written = " ".join(turn["text"] for turn in turns if turn["speaker"] == "caller")
    assert word_error_rate(" ".join(seen.said), written) <= 0.2, (seen.said, written)
    assert call["recording_path"] and Path(call["recording_path"]).is_file()


def _callers_rooms(running: dict[str, Any]) -> list[str]:
    return [name for name in rooms(running) if name.startswith("tel-in")]


def test_nothing_of_it_is_left(
    conversation: tuple[dict[str, Any], CarrierCall], running: dict[str, Any]
) -> None:
    assert conversation[0]["status"] == "ended"
    until_sync(lambda: not _callers_rooms(running), 20, what="the room is gone")


def test_a_caller_who_hangs_up_ends_the_call(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    caller = Caller(running, ledger, gateway, behaviour="long_talk")
    call = caller.call()
    gateway.until_status(call["id"], "in_progress")
    caller.until_heard()
    caller.hang_up()
    ended = gateway.until_ended(call["id"], timeout=30)
    assert (ended["outcome"], ended["ended_reason"], ended["ended_by"]) == (
        "completed",
        "caller_hangup",
        "caller",
    ), gateway.events(call["id"])


def test_a_hang_up_over_the_api_sends_a_bye(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    caller = Caller(running, ledger, gateway, behaviour="long_talk")
    call = caller.call()
    gateway.until_status(call["id"], "in_progress")
    assert gateway.hang_up(call["id"]).status_code == 202
    ended = gateway.until_ended(call["id"], timeout=30)
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "api_hangup")
    assert caller.over().received("BYE")


def test_a_number_that_nobody_owns_is_refused_and_leaves_nothing(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    caller = Caller(running, ledger, gateway, to=NOBODYS_NUMBER)
    seen = caller.over()
    assert seen.at("answered_at") is None
    assert received(seen, 486)
    assert caller.known() is None
    until_sync(lambda: not _callers_rooms(running), 20, what="the room is gone")


@pytest.mark.slow
def test_a_number_that_no_trunk_has_gets_no_room(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    caller = Caller(running, ledger, gateway, to="+14155550192", ring_timeout_seconds=5)
    seen = caller.over()
    assert seen.at("answered_at") is None
    assert caller.known() is None and not _callers_rooms(running)


def test_a_blocked_caller_hears_busy_and_the_record_says_why(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    numbers(running, "add", OUR_NUMBER, "--block", "+1415*")
    caller = Caller(running, ledger, gateway)
    seen = caller.over()
    assert seen.at("answered_at") is None and received(seen, 486)
    call = caller.call()
    assert (call["outcome"], call["ended_reason"]) == ("declined", "blocked")


def test_outside_the_hours_the_caller_is_told_so(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger, tmp_path: Path
) -> None:
    never = tmp_path / "hours.json"
    never.write_text(json.dumps({"time_zone": "UTC", "weekly": {}}))
    line = "Nobody is in the office today. Please call again tomorrow."
    numbers(running, "add", OUR_NUMBER, "--hours", str(never), "--closed-message", line)
    caller = Caller(running, ledger, gateway, behaviour="silent")
    ended = gateway.until_ended(caller.call()["id"], timeout=60)
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "closed")
    seen = caller.over()
    assert seen.received("BYE")
    heard = recognise(running, Path(seen.raw["heard_wav"]))
    assert word_error_rate(line, heard) <= 0.3, heard


def test_our_logs_rooms_and_identities_hold_no_number_of_a_caller(
    conversation: tuple[dict[str, Any], CarrierCall], gateway: Gateway, running: dict[str, Any]
) -> None:
    call, _ = conversation
    for name in ("api", "worker", "worker-2"):
        text = (Path(running["logs_dir"]) / f"{name}.log").read_text(errors="replace")
        assert not re.search(r"4155550\d{3}", text), name
    people = [e["data"] for e in gateway.events(call["id"]) if e["type"].startswith("room.part")]
    assert people
    assert not any("4155550" in person["identity"] for person in people)


def test_two_callers_at_once_have_a_call_and_an_agent_each(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    other = "+14155550151"
    callers = [
        Caller(running, ledger, gateway, caller=number, behaviour="long_talk")
        for number in (CALLER, other)
    ]
    calls = [caller.call() for caller in callers]
    assert len({call["id"] for call in calls}) == 2
    for caller, call in zip(callers, calls, strict=True):
        gateway.until_status(call["id"], "in_progress")
        caller.until_heard()
        caller.hang_up()
    for call in calls:
        assert gateway.until_ended(call["id"])["ended_reason"] == "caller_hangup"


@pytest.mark.fault("F11")
def test_a_worker_that_is_killed_before_the_answer_is_replaced_while_it_rings(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger, tmp_path: Path
) -> None:
    until_workers(running)
    never = tmp_path / "hours.json"
    never.write_text(json.dumps({"time_zone": "UTC", "weekly": {}}))
    # Words that no worker has said yet, and nobody who could make them into sound.
    line = "The telephone exchange is on a long holiday by the sea."
    numbers(running, "add", OUR_NUMBER, "--hours", str(never), "--closed-message", line)
    with frozen([processes(running)["speech"]]):
        caller = Caller(running, ledger, gateway, behaviour="silent")
        call = caller.call()
        joined = until_sync(
            lambda: [e for e in gateway.events(call["id"]) if e["type"] == "call.agent_joined"],
            20,
            what="an agent is there",
        )
        os.kill(processes(running)[joined[-1]["data"]["worker_id"]], signal.SIGKILL)
        until_sync(
            lambda: [e for e in gateway.events(call["id"]) if e["type"] == "call.agent_lost"],
            20,
            what="it is known to be lost",
        )
        assert gateway.call(call["id"])["status"] == "ringing"
    ended = gateway.until_ended(call["id"], timeout=60)
    told = gateway.events(call["id"])
    types = [event["type"] for event in told]
    assert types.count("call.agent_joined") == 2 and "call.answered" in types, told
    # The line, or the apology where the models came back too late for it.
    assert ended["ended_reason"] in {"closed", "agent_error"}, told
    assert caller.over().rtp["first_audible_at"], told
    until_workers(running)


@pytest.mark.slow
@pytest.mark.fault("F11")
def test_a_worker_that_is_killed_is_replaced_while_the_caller_waits(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    until_workers(running)
    caller = Caller(running, ledger, gateway, behaviour="long_talk")
    call = caller.call()
    gateway.until_status(call["id"], "in_progress")
    until_sync(lambda: gateway.turns(call["id"]), 40, what="somebody spoke")
    joined = [e for e in gateway.events(call["id"]) if e["type"] == "call.agent_joined"]
    os.kill(processes(running)[joined[-1]["data"]["worker_id"]], signal.SIGKILL)

    def rescued() -> bool:
        return any(e["type"] == "call.agent_rescued" for e in gateway.events(call["id"]))

    until_sync(rescued, 30, what="another agent has the call")
    assert gateway.call(call["id"])["status"] == "in_progress"
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "api_hangup"
    assert caller.over().received("BYE")
    until_workers(running)


@pytest.mark.slow
@pytest.mark.fault("F13")
def test_with_no_worker_the_caller_hears_an_apology_and_not_silence(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    workers = [name for name in processes(running) if name.startswith("worker")]
    with held(running, *workers):
        for pid in [processes(running)[name] for name in workers]:
            os.kill(pid, signal.SIGKILL)
        caller = Caller(running, ledger, gateway, behaviour="silent")
        call = caller.call(timeout=40)
        ended = gateway.until_ended(call["id"], timeout=60)
        seen = caller.over(timeout=60)
        told = gateway.events(call["id"])
        assert seen.at("answered_at") and seen.rtp["first_audible_at"], told
        assert (ended["outcome"], ended["ended_reason"]) == ("failed", "no_agent"), told
        assert "call.apologised" in [event["type"] for event in told]
    until_workers(running)
