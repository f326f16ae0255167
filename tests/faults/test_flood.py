"""Strangers at the bridge: they get no room and no job, and take nothing from a live call."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults.conftest import Stack
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.rooms_left import rooms
from tests.kit.until import until_sync

NUMBER = "+14155550133"
#: Packets that G.711 sends in a second.
PACE = 50
SCENARIOS = Path(__file__).parent / "scenarios"


@pytest.mark.fault("F36")
@pytest.mark.parametrize(
    ("method", "requests", "rate"),
    [
        ("INVITE", 500, 100),
        pytest.param("OPTIONS", 500, 100, marks=pytest.mark.slow),
        pytest.param("REGISTER", 500, 100, marks=pytest.mark.slow),
        pytest.param("INVITE", 30_000, 500, marks=pytest.mark.slow),
        pytest.param("OPTIONS", 30_000, 500, marks=pytest.mark.slow),
        pytest.param("REGISTER", 30_000, 500, marks=pytest.mark.slow),
    ],
)
def test_a_flood_of_strangers_makes_no_room_and_costs_no_packet(
    method: str,
    requests: int,
    rate: int,
    whole: Stack,
    gateway: Gateway,
    ledger: CarrierLedger,
    tmp_path: Path,
) -> None:
    """F36: from an address that no trunk knows, with a call up."""
    call, since = on_the_phone(gateway, NUMBER)
    until_sync(lambda: ledger.only_call(NUMBER, since=since).rtp.get("first_received_at"), 20)
    before, began = _heard(ledger, since), time.monotonic()
    known = rooms(whole.running)

    _flood(method, requests, rate, whole.running["sip_address"], tmp_path)

    lasted = time.monotonic() - began
    heard = _heard(ledger, since) - before
    assert rooms(whole.running) == known, "a stranger made a room"
    assert heard >= PACE * lasted * 0.95 - PACE, f"{heard} packets in {lasted:.1f} s"
    assert gateway.call(call["id"])["status"] == "in_progress"
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "api_hangup"


def _heard(ledger: CarrierLedger, since: datetime) -> int:
    return ledger.only_call(NUMBER, since=since).rtp["packets_received"]


def _flood(method: str, requests: int, rate: int, bridge: str, folder: Path) -> None:
    program = shutil.which("sipp")
    assert program, "sipp is missing: apt-get install sip-tester"
    scenario = folder / "flood.xml"
    scenario.write_text((SCENARIOS / "flood.xml").read_text().replace("METHOD", method))
    command = [program, bridge, "-i", "127.0.0.2", "-sf", str(scenario)]
    command += ["-m", str(requests), "-r", str(rate), "-l", str(requests), "-nostdin"]
    command += ["-timeout", "180"]
    finished = subprocess.run(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=200
    )
    # 1: the flood was sent, and some of it was not answered as a phone would like.
    assert finished.returncode in {0, 1}, finished.stderr[-2000:]
