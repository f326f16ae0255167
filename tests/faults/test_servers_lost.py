"""A server dies, freezes or forgets: calls end by name or live on, and the next ones go out."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.conftest import Stack
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.processes import frozen, kill, processes, ready, until_back
from tests.kit.rooms_left import rooms_left
from tests.kit.until import until_sync
from tests.kit.ways import Ways

TALKS_ON = "+14155550133"


def still_heard(ledger: CarrierLedger, number: str, since: datetime) -> None:
    """Wait until a second's worth of packets more has come from the agent's side."""
    before = ledger.only_call(number, since=since).rtp["packets_received"]
    until_sync(
        lambda: ledger.only_call(number, since=since).rtp["packets_received"] >= before + 50,
        20,
        what="RTP goes on",
    )


def goes_out(gateway: Gateway, ledger: CarrierLedger) -> dict[str, Any]:
    """Place another call; it is dialled once. Gives its record."""
    since = datetime.now(UTC)
    call = gateway.place("+14155550102")
    ended = gateway.until_ended(call["id"], timeout=60)
    assert ended["outcome"] == "busy"
    assert ledger.only_call("+14155550102", since=since).invites == 1
    return ended


@pytest.mark.slow
@pytest.mark.fault("F7")
def test_calls_on_a_killed_bridge_end_by_name_and_are_not_dialled_again(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F7: livekit-sip is killed with two calls up; no BYE is possible."""
    up = [on_the_phone(gateway, TALKS_ON) for _ in range(2)]
    ids = [call["id"] for call, _ in up]
    dialled = len(ledger.calls(TALKS_ON, since=up[0][1]))
    kill(whole.running, "livekit-sip")

    for call_id in ids:
        ended = gateway.until_ended(call_id, timeout=60)
        assert (ended["outcome"], ended["ended_reason"]) == ("failed", "bridge_lost")
        until_sync(
            lambda call_id=call_id: not rooms_left(whole.running, call_id, gateway),
            30,
            what="the room is gone",
        )
    goes_out(gateway, ledger)
    assert len(ledger.calls(TALKS_ON, since=up[0][1])) == dialled


@pytest.mark.fault("F5")
def test_calls_that_meet_no_bridge_wait_for_the_next_one(
    whole: Stack, ways: Ways, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F5: livekit-sip is killed, and calls are placed, and somebody calls, before it is back."""
    since, before = datetime.now(UTC), processes(whole.running)["livekit-sip"]
    numbers = ("+14155550102", "+14155550104", "+14155550105", "+14155550107")
    os.kill(before, signal.SIGKILL)
    callers = ways.somebody_calls()
    ids = [gateway.place(number)["id"] for number in numbers]
    ended = [gateway.until_ended(call_id, timeout=60) for call_id in ids]

    outcomes = [call["outcome"] for call in ended]
    assert outcomes == ["busy", "declined", "invalid_number", "invalid_number"]
    # That no bridge was there is no trunk's fault.
    assert {call["trunk"] for call in ended} == {ways.trunk}
    for number in numbers:
        assert ledger.only_call(number, since=since).invites == 1
    until_back(whole.running, "livekit-sip", before)
    ways.answered(callers)
    ways.hang_up(callers)


@pytest.mark.slow
@pytest.mark.fault("F5")
@pytest.mark.timeout(300)
def test_calls_wait_out_a_bridge_that_is_away(
    whole: Stack, ways: Ways, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F5: the only bridge is away for 20 s; what nobody took waits for it and rings once."""
    since, numbers = datetime.now(UTC), ("+14155550102", "+14155550104", "+14155550105")
    with frozen([processes(whole.running)["livekit-sip"]]):
        thaw = time.monotonic() + 20
        ids = [gateway.place(number)["id"] for number in numbers]
        for call_id in ids:
            until_sync(
                lambda call_id=call_id: _waits_for(gateway, call_id, "bridge"),
                40,
                what="it waits for a bridge",
            )
        until_sync(lambda: time.monotonic() > thaw, 30)
    ended = [gateway.until_ended(call_id, timeout=90) for call_id in ids]

    assert [call["outcome"] for call in ended] == ["busy", "declined", "invalid_number"]
    assert {call["trunk"] for call in ended} == {ways.trunk}
    for number in numbers:
        assert ledger.only_call(number, since=since).invites == 1
    callers = ways.somebody_calls()
    ways.answered(callers)
    ways.hang_up(callers)


@pytest.mark.fault("F9")
def test_a_call_on_a_killed_media_server_goes_on_or_ends_for_the_phone_too(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F9: livekit-server is killed mid-call and started again; both sides find each other anew.

    Where the next one comes too late for that, the call ends by name and the phone is hung up.
    """
    call, since = on_the_phone(gateway, TALKS_ON)
    kill(whole.running, "livekit-server", timeout=60)
    back = datetime.now(UTC)

    ended = until_sync(
        lambda: _heard_since(gateway, call["id"], back) or gateway.call(call["id"])["outcome"],
        90,
        what="both are heard again, or the call is over",
    )
    if ended is True:
        still_heard(ledger, TALKS_ON, since)
        gateway.hang_up(call["id"])
        assert gateway.until_ended(call["id"])["ended_reason"] == "api_hangup"
    else:
        reason = gateway.call(call["id"])["ended_reason"]
        assert (ended, reason) in {("failed", "media_server_lost"), ("failed", "bridge_lost")}
    until_sync(
        lambda: ledger.only_call(TALKS_ON, since=since).received("BYE"), 40, what="BYE at the phone"
    )
    until_sync(
        lambda: not rooms_left(whole.running, call["id"], gateway), 40, what="the room is gone"
    )
    goes_out(gateway, ledger)


def _heard_since(gateway: Gateway, call_id: str, since: datetime) -> bool:
    """Tell whether callee and agent have both spoken, and were understood."""
    speakers = {
        event["data"]["speaker"]
        for event in gateway.events(call_id)
        if event["type"] == "call.turn"
        and datetime.fromisoformat(event["occurred_at"]) > since + timedelta(seconds=5)
    }
    return speakers == {"agent", "callee"}


@pytest.mark.fault("F16")
def test_a_call_outlives_a_redis_that_comes_back_empty(
    whole: Stack, ways: Ways, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F16: emptied first, then killed; the trunks are made anew and the live calls go on."""
    call, since = on_the_phone(gateway, TALKS_ON)
    callers = ways.somebody_calls()
    ways.answered(callers)
    _flush(whole.running)
    kill(whole.running, "redis")

    still_heard(ledger, TALKS_ON, since)
    assert goes_out(gateway, ledger)["trunk"] == ways.trunk
    ways.hang_up(callers)
    assert gateway.call(call["id"])["status"] == "in_progress"
    ledger.hang_up(ledger.only_call(TALKS_ON, since=since).raw["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "callee_hangup"


@pytest.mark.fault("F16")
def test_a_call_can_be_hung_up_though_redis_forgot_its_room(
    whole: Stack, ways: Ways, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F16: livekit-server deletes only rooms that it finds in Redis; no phone must stay."""
    call, since = on_the_phone(gateway, TALKS_ON)
    callers = ways.somebody_calls()
    ways.answered(callers)
    ids = [call["id"], *(caller.call()["id"] for caller in callers)]
    _flush(whole.running)
    for call_id in ids:
        gateway.hang_up(call_id)

    for call_id in ids:
        assert gateway.until_ended(call_id)["ended_reason"] == "api_hangup"
    for caller in callers:
        assert caller.over().received("BYE")
    until_sync(
        lambda: ledger.only_call(TALKS_ON, since=since).raw["ended_by"] == "bridge",
        30,
        what="the phone is hung up",
    )
    goes_out(gateway, ledger)


@pytest.mark.fault("F17")
@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_a_frozen_redis_delays_calls_and_doubles_none(
    seconds: int, whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F17: frozen with a call up and another one placed meanwhile; nothing is restarted.

    livekit-server closes signal connections after 7.5 s without Redis: a short freeze is bridged,
    and in a long one the call may end, with its phone hung up.
    """
    before = processes(whole.running)
    call, since = on_the_phone(gateway, TALKS_ON)
    with frozen([before["redis"]]):
        thaw = time.monotonic() + seconds
        # Without Redis nothing wakes the loops, and taking a call needs none of it.
        waiting = gateway.place("+14155550102")
        still_heard(ledger, TALKS_ON, since)
        until_sync(lambda: time.monotonic() > thaw, seconds + 10)
    assert gateway.until_ended(waiting["id"], timeout=90)["outcome"] == "busy"
    assert ledger.only_call("+14155550102", since=since).invites == 1
    if seconds <= 10:
        assert gateway.call(call["id"])["status"] == "in_progress"
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] in (
        {"api_hangup"}
        if seconds <= 10
        else {"api_hangup", "lost", "media_server_lost", "bridge_lost"}
    )
    until_sync(
        lambda: ledger.only_call(TALKS_ON, since=since).raw["state"] == "ended",
        30,
        what="the phone is hung up",
    )
    until_sync(lambda: ready(whole.running), 30)
    assert processes(whole.running) == before


@pytest.mark.fault("F17")
def test_a_redis_that_resets_its_connections_is_only_slow(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F17: for a while every connection to Redis is reset."""
    call, _ = on_the_phone(gateway, TALKS_ON)
    with whole.redis.fault("reset"):
        until_sync(lambda: not ready(whole.running), 20, what="Redis is missed")
    until_sync(lambda: ready(whole.running), 60, what="Redis is back")
    goes_out(gateway, ledger)
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "api_hangup"


@pytest.mark.fault("F10")
@pytest.mark.slow
@pytest.mark.timeout(700)
@pytest.mark.parametrize("seconds", [20, 300])
def test_calls_wait_out_a_media_server_that_is_away(
    seconds: int, whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F10: livekit-server is frozen; workers may give up and come back, and then calls go out."""
    since = datetime.now(UTC)
    with frozen([processes(whole.running)["livekit-server"]]):
        thaw = time.monotonic() + seconds
        call = gateway.place("+14155550102")
        until_sync(lambda: not ready(whole.running), 30, what="livekit-server is missed")
        until_sync(lambda: time.monotonic() > thaw, seconds + 10)
        assert gateway.call(call["id"])["status"] in {"queued", "dispatching"}
    assert gateway.until_ended(call["id"], timeout=180)["outcome"] == "busy"
    assert ledger.only_call("+14155550102", since=since).invites == 1
    until_sync(lambda: ready(whole.running), 60)


@pytest.mark.fault("F8")
def test_a_bridge_that_is_asked_to_stop_finishes_its_call(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F8: SIGTERM with a call up: it goes on; once it is over another bridge takes new ones."""
    before = processes(whole.running)["livekit-sip"]
    call, since = on_the_phone(gateway, TALKS_ON)
    os.kill(before, signal.SIGTERM)

    still_heard(ledger, TALKS_ON, since)
    assert gateway.call(call["id"])["status"] == "in_progress"
    ledger.hang_up(ledger.only_call(TALKS_ON, since=since).raw["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "callee_hangup"
    until_back(whole.running, "livekit-sip", before, timeout=60)
    goes_out(gateway, ledger)


@pytest.mark.fault("F31")
def test_calls_end_rightly_while_no_webhook_arrives(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F31: every webhook of LiveKit's is cut off on its way."""
    with whole.api.fault("reset", b"POST /webhooks/livekit") as cut:
        call, since = on_the_phone(gateway, TALKS_ON)
        ledger.hang_up(ledger.only_call(TALKS_ON, since=since).raw["id"])
        assert gateway.until_ended(call["id"])["ended_reason"] == "callee_hangup"
        until_sync(
            lambda: not rooms_left(whole.running, call["id"], gateway), 30, what="the room is gone"
        )
        until_sync(lambda: cut.met, 20, what="a webhook was tried")
    types = [event["type"] for event in gateway.events(call["id"])]
    assert types.count("call.ended") == 1


def _waits_for(gateway: Gateway, call_id: str, what: str) -> bool:
    """Say whether the call was ever told that it waits for this."""
    waits = [e for e in gateway.events(call_id) if e["type"] == "call.waiting"]
    return any(event["data"]["waiting_for"] == what for event in waits)


def _flush(running: dict[str, Any]) -> None:
    import redis

    with redis.Redis.from_url(running["redis_url"]) as client:  # pyright: ignore[reportUnknownMemberType]
        client.flushall()  # pyright: ignore[reportUnknownMemberType]
