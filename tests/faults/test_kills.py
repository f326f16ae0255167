"""What is killed comes back, and no call is rung twice or left open."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import frozen, kill, processes, ready, times_ready, until_workers
from tests.kit.rooms_left import rooms_left
from tests.kit.until import until_sync

#: What becomes of calls when one of these is killed is shown in test_servers_lost.py as well.
SERVERS = ("livekit-sip", "livekit-server", "redis")


@pytest.mark.parametrize(
    "name",
    [
        "worker",
        pytest.param("api", marks=pytest.mark.slow),
        "speech",
        "worker-2",
        *(pytest.param(name, marks=pytest.mark.slow) for name in SERVERS),
    ],
)
def test_a_killed_process_comes_back_and_calls_go_out_again(
    name: str, running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    # While one worker comes back, the other has all the calls.
    until_workers(running)
    before = times_ready(running, name)
    kill(running, name)

    since = datetime.now(UTC)
    call = gateway.place("+14155550102")
    ended = gateway.until_ended(call["id"], timeout=60)

    assert ended["outcome"] == "busy", gateway.events(call["id"])
    assert ledger.only_call("+14155550102", since=since).invites == 1
    # It runs by now; ready it is later, and the next call may need it.
    until_sync(lambda: times_ready(running, name) > before, 90, what=f"{name} is ready again")


@pytest.mark.fault("F3")
def test_the_api_is_killed_while_a_phone_rings(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550115")
    gateway.until_status(call["id"], "ringing")

    kill(running, "api")

    # The worker went on, and its spool told the dialer afterwards what it had missed.
    gateway.until_status(call["id"], "in_progress", timeout=40)
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["outcome"] == "completed"
    assert ledger.only_call("+14155550115", since=since).invites == 1


@pytest.mark.slow
@pytest.mark.fault("F3")
def test_the_worker_that_dials_is_killed_while_the_phone_rings(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F3: nobody is left who waits for the dialling's answer; it is never sent again."""
    until_workers(running)
    number, since = "+14155550103", datetime.now(UTC)
    call = gateway.place(number, ring_timeout_seconds=60)
    gateway.until_status(call["id"], "ringing")
    joined = next(e for e in gateway.events(call["id"]) if e["type"] == "call.agent_joined")

    kill(running, joined["data"]["worker_id"])

    ended = gateway.until_ended(call["id"], timeout=90)
    told = gateway.events(call["id"])
    print((ended["outcome"], ended["ended_reason"]), [event["type"] for event in told])
    assert ended["outcome"] == "failed", told
    assert [event["type"] for event in told].count("call.dialing") == 1, told
    until_sync(
        lambda: ledger.only_call(number, since=since).raw["state"] == "ended",
        40,
        what="the phone is left alone",
    )
    assert ledger.only_call(number, since=since).invites == 1
    until_sync(lambda: not rooms_left(running, call["id"], gateway), 30, what="the room is gone")


@pytest.mark.fault("F38")
def test_a_worker_that_is_asked_to_stop_finishes_its_call(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550101")
    gateway.until_status(call["id"], "in_progress")
    joined = next(e for e in gateway.events(call["id"]) if e["type"] == "call.agent_joined")
    name = joined["data"]["worker_id"]
    draining = processes(running)[name]

    os.kill(draining, signal.SIGTERM)

    # New calls go elsewhere while the live one goes on.
    other = gateway.place("+14155550102")
    assert gateway.until_ended(other["id"])["outcome"] == "busy"
    assert gateway.call(call["id"])["status"] == "in_progress"
    ledger.hang_up(ledger.only_call("+14155550101", since=since).raw["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "callee_hangup"
    until_sync(lambda: processes(running).get(name) != draining, 40, what="the worker was replaced")
    until_sync(lambda: ready(running), 30)


@pytest.mark.fault("F13")
def test_a_call_waits_while_no_worker_is_there_and_is_dialled_when_one_comes(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    names = {"worker", "worker-2"}
    until_sync(lambda: names <= processes(running).keys() and ready(running), 40)
    workers = [processes(running)[name] for name in names]
    since = datetime.now(UTC)
    with frozen(workers):
        until_sync(lambda: not ready(running), 15, what="the workers are missed")
        missing = httpx.get(f"{running['api_url']}/readyz", timeout=5).json()["missing"]
        call = gateway.place("+14155550102")
        until_sync(
            lambda: gateway.call(call["id"])["waiting_for"] == "worker",
            10,
            what="it says what it waits for",
        )
        assert gateway.call(call["id"])["status"] == "queued"
        assert ledger.calls("+14155550102", since=since) == []
        assert "worker" in str(missing)

    assert gateway.until_ended(call["id"], timeout=60)["outcome"] == "busy"
    assert ledger.only_call("+14155550102", since=since).invites == 1
