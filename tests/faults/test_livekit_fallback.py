"""Our own LiveKit goes away, and calls go out by one that shares nothing with it.

The stand-in for a hosted project is a second livekit-server and livekit-sip with a Redis and keys
of their own; nothing but the dialer, its database and the carrier knows both.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.processes import held, processes, until_workers
from tests.kit.running import PROJECT, sandbox
from tests.kit.until import until_sync

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: Talks until it is hung up.
TALKS = "+14155550150"
RINGS_ON = "+14155550103"
BUSY = "+14155550102"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a sandbox with a second LiveKit."""
    state = tmp_path_factory.mktemp("fallback")
    with sandbox(state, "--fallback", "--without", "worker-2") as description:
        yield description


@pytest.fixture(autouse=True)
def whole(running: dict[str, Any]) -> Iterator[None]:
    """Begin with everything there and the switch on its own; leave the switch so."""
    _use(running, "auto")
    until_sync(lambda: _in_use(running) == "own", 90, what="our own LiveKit is in use")
    until_workers(running, 2, timeout=120)
    yield
    _use(running, "auto")


def _use(running: dict[str, Any], where: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "dialer", "livekit", "use", where],
        env={**os.environ, "DATABASE_URL": running["database_url"]},
        cwd=PROJECT,
        check=True,
        capture_output=True,
        timeout=60,
    )


def _in_use(running: dict[str, Any]) -> str | None:
    """Name the LiveKit that is in use, None while calls could not be dialled."""
    try:
        answer = httpx.get(f"{running['api_url']}/readyz", timeout=5)
    except httpx.HTTPError:
        return None
    return answer.json()["livekit"] if answer.status_code == 200 else None


def _bridges(running: dict[str, Any], sip_call_id: str) -> set[str]:
    """Name the bridges that know of a SIP call."""
    logs = Path(running["logs_dir"])
    names = ("livekit-sip", "livekit-sip-fallback")
    return {
        name
        for name in names
        if sip_call_id in (logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    }


def _rings_once_by(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger, bridge: str
) -> None:
    """Place a call to somebody who is busy; it is dialled once, by this bridge."""
    since = datetime.now(UTC)
    placed = gateway.place(BUSY)
    assert gateway.until_ended(placed["id"], timeout=120)["outcome"] == "busy"
    dialled = ledger.only_call(BUSY, since=since)
    assert dialled.invites == 1
    assert _bridges(running, dialled.call_id) == {bridge}


def _heard(ledger: CarrierLedger, since: datetime) -> int:
    return ledger.only_call(TALKS, since=since).rtp["packets_received"]


def test_calls_go_out_by_the_fallback_while_our_own_is_down_and_back_after(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    _rings_once_by(running, gateway, ledger, "livekit-sip")

    with held(running, "livekit-server"):
        os.kill(processes(running)["livekit-server"], signal.SIGKILL)
        # Taken at once, and dialled as soon as it is seen that our own is gone.
        call, since = on_the_phone(gateway, TALKS)
        assert _in_use(running) == "fallback"
        _rings_once_by(running, gateway, ledger, "livekit-sip-fallback")

    until_sync(lambda: _in_use(running) == "own", 120, what="our own is believed again")
    _rings_once_by(running, gateway, ledger, "livekit-sip")

    # The call that was begun at the fallback never noticed.
    heard = _heard(ledger, since)
    until_sync(lambda: _heard(ledger, since) > heard + 100, 30, what="it is still talked")
    assert gateway.call(call["id"])["status"] == "in_progress"
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "api_hangup"
    talked = ledger.only_call(TALKS, since=since)
    assert talked.invites == 1
    assert _bridges(running, talked.call_id) == {"livekit-sip-fallback"}
    types = [event["type"] for event in gateway.events(call["id"])]
    assert types.count("call.dialing") == 1


def test_a_call_that_rings_when_our_own_dies_is_not_dialled_by_the_fallback(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    placed = gateway.place(RINGS_ON, ring_timeout_seconds=60)
    gateway.until_status(placed["id"], "ringing")

    with held(running, "livekit-server"):
        os.kill(processes(running)["livekit-server"], signal.SIGKILL)
        _rings_once_by(running, gateway, ledger, "livekit-sip-fallback")

    ended = gateway.until_ended(placed["id"], timeout=180)
    assert ended["outcome"] != "completed", ended
    rung = ledger.only_call(RINGS_ON, since=since)
    assert rung.invites == 1
    assert _bridges(running, rung.call_id) == {"livekit-sip"}


def test_the_switch_is_turned_while_all_is_well(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    call, since = on_the_phone(gateway, TALKS)
    _use(running, "fallback")
    until_sync(lambda: _in_use(running) == "fallback", 30, what="the switch is heard")
    _rings_once_by(running, gateway, ledger, "livekit-sip-fallback")
    assert gateway.call(call["id"])["status"] == "in_progress"

    _use(running, "own")
    until_sync(lambda: _in_use(running) == "own", 30, what="the switch is heard")
    _rings_once_by(running, gateway, ledger, "livekit-sip")
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "api_hangup"
    assert ledger.only_call(TALKS, since=since).invites == 1


def test_a_browser_is_sent_to_the_livekit_of_its_call(
    running: dict[str, Any], gateway: Gateway
) -> None:
    """A voip call's answer names where its room is."""
    _use(running, "fallback")
    until_sync(lambda: _in_use(running) == "fallback", 30, what="the switch is heard")
    answer = gateway.http.post("/calls", json={"call_type": "voip"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["livekit_url"] == running["fallback_livekit_url"]
    assert answer.json()["room"].startswith("telfb-")
    gateway.hang_up(answer.json()["id"])
    assert gateway.until_ended(answer.json()["id"])["ended_reason"] == "api_hangup"
