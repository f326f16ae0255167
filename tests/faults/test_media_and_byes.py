"""What is lost between bridge and carrier: a BYE, the media, its ports, those who watch."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.conftest import Stack
from tests.kit.both_ways import both_ways
from tests.kit.calling_in import Caller, received
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.processes import frozen, processes, ready
from tests.kit.rooms_left import rooms_left
from tests.kit.running import sandbox
from tests.kit.until import until_sync
from tests.kit.ways import Ways, two_trunks_and_callers


@pytest.mark.slow
@pytest.mark.fault("F25")
def test_a_callee_whose_bye_is_lost_is_missed_by_its_media(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F25: the callee hangs up, and not one of its BYEs arrives."""
    since = datetime.now(UTC)
    with whole.sip.loss("drop", "BYE", towards="bridge") as lost:
        call = gateway.place("+14155550112")
        ended = gateway.until_ended(call["id"], timeout=120)
    assert lost.met > 1, "it was repeated, and lost every time"
    # The phone may send silence for as long as it repeats its BYE: then the agent gives up first.
    assert ended["outcome"] == "completed"
    assert ended["ended_reason"] in {"media_timeout", "silence"}
    assert ledger.only_call("+14155550112", since=since).invites == 1
    until_sync(
        lambda: not rooms_left(whole.running, call["id"], gateway), 30, what="the room is gone"
    )


@pytest.mark.fault("F25")
def test_a_lossy_network_rings_each_phone_once(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F25: messages are lost, doubled and out of order, and nobody is rung twice."""
    since = datetime.now(UTC)
    numbers = ("+14155550102", "+14155550104", "+14155550112")
    with (
        whole.sip.loss("drop", share=0.15) as lost,
        whole.sip.loss("duplicate", share=0.3) as doubled,
        whole.sip.loss("reorder", share=0.2),
    ):
        ids = [gateway.place(number)["id"] for number in numbers]
        ended = [gateway.until_ended(call_id, timeout=120) for call_id in ids]
    assert lost.met + doubled.met > 0
    assert all(call["ended_reason"] for call in ended)
    for number in numbers:
        seen = ledger.calls(number, since=since)
        assert len(seen) <= 1 and all(call.invites == 1 for call in seen)
    for call_id in ids:
        until_sync(
            lambda call_id=call_id: not rooms_left(whole.running, call_id, gateway),
            30,
            what="the room is gone",
        )


@pytest.mark.fault("F26")
def test_a_callee_who_hangs_up_at_once_stops_the_greeting(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F26: BYE 300 ms after the answer, with the greeting on its way."""
    since = datetime.now(UTC)
    call = gateway.place("+14155550143")
    ended = gateway.until_ended(call["id"])
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "callee_hangup")
    until_sync(
        lambda: not rooms_left(whole.running, call["id"], gateway), 15, what="the room is gone"
    )
    assert ledger.only_call("+14155550143", since=since).invites == 1
    assert not [turn for turn in gateway.turns(call["id"]) if turn["speaker"] == "callee"]
    until_sync(lambda: _jobs(gateway) == 0, 20, what="no worker holds a job")


@pytest.mark.slow
@pytest.mark.fault("F30")
@pytest.mark.parametrize("dead", [("api",), ("worker", "worker-2")], ids=["api", "workers"])
def test_a_call_past_its_longest_duration_ends_without_one_of_its_guards(
    dead: tuple[str, ...], whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F30: the worker's timer ends it while the API is frozen; the reaper where workers are.

    livekit-sip 1.8.0 keeps no limit of its own (livekit/sip#762): with both dead the call goes on
    until one of them is back.
    """
    limits = {"max_duration_seconds": 10, "ring_timeout_seconds": 5}
    call, since = on_the_phone(gateway, "+14155550101", **limits)
    with frozen([processes(whole.running)[name] for name in dead]):
        until_sync(
            lambda: ledger.only_call("+14155550101", since=since).received("BYE"),
            60,
            what="BYE at the phone",
        )
    until_sync(lambda: ready(whole.running), 60, what="they are back")
    ended = gateway.until_ended(call["id"], timeout=60)
    assert ended["ended_reason"] in {"max_duration", "lost"}
    assert ledger.only_call("+14155550101", since=since).invites == 1
    until_sync(
        lambda: not rooms_left(whole.running, call["id"], gateway), 30, what="the room is gone"
    )


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Ways]:
    """Give a sandbox whose bridge has RTP ports for two calls, with two trunks and a way in."""
    first = _free_ports(4)
    ports = f"{{rtp_port: {first}-{first + 3}}}"
    with sandbox(tmp_path, "--without", "worker-2", "--sip-settings", ports) as running:
        gateway = Gateway(running["api_url"], running["api_key"])
        ledger = CarrierLedger(running["carrier_control_url"])
        with two_trunks_and_callers(running, gateway, ledger) as ways:
            yield ways
        gateway.close()
        ledger.close()


@pytest.mark.slow
@pytest.mark.fault("F29")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("up", ["two_out", "one_each_way"])
def test_a_call_without_an_rtp_port_and_those_it_takes_along_end_by_name(
    up: str, narrow: Ways
) -> None:
    """F29: three calls, and ports for two of them.

    livekit-sip 1.8.0 does not refuse the third: it panics, and all of its calls are lost with it.
    """
    gateway, ledger, number = narrow.gateway, narrow.ledger, "+14155550133"
    call, since = on_the_phone(gateway, number)
    lost = [call["id"]]
    if up == "two_out":
        lost.append(on_the_phone(gateway, number)[0]["id"])
    else:
        callers = narrow.somebody_calls()
        narrow.answered(callers)
        lost += [caller.call()["id"] for caller in callers]
    dialled = len(ledger.calls(number, since=since))
    lost.append(gateway.place("+14155550101")["id"])

    for call_id in lost:
        ended = gateway.until_ended(call_id, timeout=90)
        found = (ended["outcome"], ended["ended_reason"])
        assert found == ("failed", "bridge_lost"), gateway.events(call_id)
    assert ledger.calls("+14155550101", since=since) == []
    assert len(ledger.calls(number, since=since)) == dialled
    again, _ = on_the_phone(gateway, "+14155550101")
    assert again["trunk"] == narrow.trunk


@pytest.mark.slow
@pytest.mark.fault("F29")
@pytest.mark.timeout(300)
def test_a_caller_without_an_rtp_port_is_refused_and_costs_nobody_a_call(narrow: Ways) -> None:
    """F29: two calls are up, and a third one comes in for which there is no port."""
    gateway, ledger = narrow.gateway, narrow.ledger
    before = processes(narrow.running)["livekit-sip"]
    with both_ways(narrow.running, gateway, ledger) as calls:
        hearing = calls.hearing()
        third = Caller(narrow.running, ledger, gateway, caller="+14155550151")
        seen = third.over()
        assert seen.at("answered_at") is None, seen.raw["messages"]
        assert received(seen, 500), seen.raw["messages"]
        assert third.known() is None
        for one in hearing:
            one.until_more()
            one.check()
        assert processes(narrow.running)["livekit-sip"] == before
        assert calls.up()
        calls.hang_up()


@pytest.mark.slow
@pytest.mark.fault("F6")
@pytest.mark.timeout(300)
def test_a_bridge_that_is_always_over_its_limit_gets_a_call_s_patience_and_no_more(
    tmp_path: Path,
) -> None:
    """F6: the only bridge refuses for its CPU's load; the call waits for it, and ends by name.

    It refuses what it would have to dial, by whichever trunk. Who calls in is answered all the
    same: livekit-sip 1.8.0 asks after its load only where calls go out.
    """
    limit = "{max_cpu_utilization: 0.0001}"
    with sandbox(tmp_path, "--without", "worker-2", "--sip-settings", limit) as running:
        gateway = Gateway(running["api_url"], running["api_key"])
        ledger = CarrierLedger(running["carrier_control_url"])
        with two_trunks_and_callers(running, gateway, ledger) as ways:
            since, number = datetime.now(UTC), "+14155550102"
            call = gateway.place(number)
            callers = ways.somebody_calls()
            ways.answered(callers)
            ways.hang_up(callers)
            ended = gateway.until_ended(call["id"], timeout=150)

        told = gateway.events(call["id"])
        assert (ended["outcome"], ended["ended_reason"]) == ("failed", "bridge_lost"), told
        waits = [e["data"]["waiting_for"] for e in told if e["type"] == "call.waiting"]
        assert waits.count("bridge") > 1
        tried = {e["data"]["trunk"] for e in told if e["type"] == "call.dispatching"}
        assert tried == {ways.trunk}, "a trunk was blamed for the bridge"
        assert ledger.calls(number, since=since) == []
        gateway.close()
        ledger.close()


def _free_ports(count: int) -> int:
    """Give the first of so many UDP ports in a row, below those that sandboxes take."""
    for first in range(5_000, 10_000 - count, count):
        with contextlib.ExitStack() as taken, contextlib.suppress(OSError):
            for port in range(first, first + count):
                one = taken.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                one.bind(("", port))
            return first
    raise AssertionError("no free ports")


def _jobs(gateway: Gateway) -> float:
    answer = gateway.http.get("/metrics")
    answer.raise_for_status()
    lines = answer.text.splitlines()
    found = [
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith("telephony_worker_live_calls")
    ]
    assert found, answer.text
    return sum(found)
