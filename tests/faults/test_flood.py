"""Strangers at the bridge: they get no room and no job, and take nothing from a live call."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Stack
from tests.kit.both_ways import TALKS_ON, Hearing, both_ways
from tests.kit.calling_in import OUR_NUMBER, callable_in, numbers
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.more_trunks import second_way
from tests.kit.on_the_phone import on_the_phone
from tests.kit.strangers import STRANGE, Left, left
from tests.kit.until import until_sync

SCENARIOS = Path(__file__).parent / "scenarios"


@pytest.mark.alone
@pytest.mark.fault("F36")
@pytest.mark.parametrize(
    ("method", "requests", "rate"),
    [
        ("INVITE", 500, 100),
        pytest.param("OPTIONS", 500, 100, marks=pytest.mark.slow),
        pytest.param("REGISTER", 500, 100, marks=pytest.mark.slow),
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
    """F36: from an address that no trunk knows, for our own number, with a call up each way.

    There are two trunks, and the call that is up left by the one that goes first.
    """
    since = datetime.now(UTC)
    numbers(whole.running, "add", OUR_NUMBER)
    with (
        callable_in(whole.running, OUR_NUMBER, allowed="127.0.0.1/32"),
        second_way(whole.running, gateway) as way,
        both_ways(whole.running, gateway, ledger) as calls,
    ):
        assert gateway.call(calls.out["id"])["trunk"] == way
        before, hearing = left(whole.running, gateway, since), calls.hearing()

        flood(method, requests, rate, whole.running["sip_address"], tmp_path)

        for one in hearing:
            one.check()
        _nothing_more(whole.running, gateway, since, before)
        assert calls.up()
        calls.hang_up()


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F36")
@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER"])
def test_a_minute_of_strangers_costs_a_call_that_went_out_no_packet(
    method: str, whole: Stack, gateway: Gateway, ledger: CarrierLedger, tmp_path: Path
) -> None:
    """F36: 500 a second, at a bridge that nobody may call.

    So many INVITEs cost calls without a firewall: docs/operations.md, Strangers.
    """
    call, since = on_the_phone(gateway, TALKS_ON)
    phone = Hearing(lambda: ledger.only_call(TALKS_ON, since=since))
    phone.until_more()
    before = left(whole.running, gateway, since)

    flood(method, 30_000, 500, whole.running["sip_address"], tmp_path)

    phone.check()
    _nothing_more(whole.running, gateway, since, before)
    assert gateway.call(call["id"])["status"] == "in_progress"
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["ended_reason"] == "api_hangup"


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F36")
def test_behind_our_firewall_a_minute_of_strangers_reaches_nobody(tmp_path: Path) -> None:
    """F36: 500 INVITEs a second for our own number, with a call up each way."""
    inside = Path(__file__).with_name("behind_the_firewall.py")
    command = ["unshare", "-rn", sys.executable, "-m", "pytest", "-q", str(inside)]
    command += [f"--basetemp={tmp_path / 'inside'}", "-p", "no:cacheprovider"]
    with (tmp_path / "printed.log").open("w+") as printed:
        done = subprocess.run(command, stdout=printed, stderr=printed, timeout=600)
        printed.seek(0)
        told = printed.read()
    assert done.returncode == 0, told[-5000:]
    assert "1 passed" in told


def flood(
    method: str,
    requests: int,
    rate: int,
    bridge: str,
    folder: Path,
    *,
    source: str = STRANGE,
    through: Callable[..., list[str]] = lambda *command: list(command),
) -> None:
    """Send requests from an address that no trunk knows, so many a second, and wait for the end."""
    program = shutil.which("sipp")
    assert program, "sipp is missing: apt-get install sip-tester"
    scenario = folder / "flood.xml"
    text = (SCENARIOS / "flood.xml").read_text().replace("METHOD", method)
    scenario.write_text(text.replace("CALLED", OUR_NUMBER))
    command = [program, bridge, "-i", source, "-sf", str(scenario)]
    command += ["-m", str(requests), "-r", str(rate), "-l", str(requests), "-nostdin"]
    command += ["-timeout", "180"]
    finished = subprocess.run(
        through(*command),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=200,
    )
    # 1: the flood was sent, and some of it was not answered as a phone would like.
    assert finished.returncode in {0, 1}, finished.stderr[-2000:]


def _nothing_more(running: dict[str, Any], gateway: Gateway, since: datetime, before: Left) -> None:
    """No stranger left anything; the room of an earlier, lost call may be deleted once more now."""
    until_sync(lambda: left(running, gateway, since) == before, 10, what="nothing is left")
