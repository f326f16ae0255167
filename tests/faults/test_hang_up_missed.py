"""A caller hangs up, and LiveKit does not hear of it from the bridge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.kit.both_ways import BothWays, both_ways
from tests.kit.calling_in import OUR_NUMBER, callable_in, numbers
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import frozen, processes, until_workers
from tests.kit.running import sandbox
from tests.kit.tcp_proxy import TcpProxy
from tests.kit.until import until_sync

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], TcpProxy]]:
    """Give a sandbox, and what stands between its bridge's signal connections and LiveKit."""
    told: dict[str, Any] = {}

    def livekit() -> tuple[str, int]:
        parts = urlsplit(str(told["livekit_url"]))
        assert parts.hostname and parts.port
        return parts.hostname, parts.port

    with TcpProxy(livekit) as proxy:
        settings = f"{{ws_url: 'ws://{proxy.address}'}}"
        with sandbox(tmp_path_factory.mktemp("sandbox"), "--sip-settings", settings) as running:
            told.update(running)
            until_workers(running)
            yield running, proxy


@pytest.fixture
def calls(signals: tuple[dict[str, Any], TcpProxy]) -> Iterator[BothWays]:
    """Give a call that went out and one that came in."""
    running, _ = signals
    gateway = Gateway(running["api_url"], running["api_key"])
    ledger = CarrierLedger(running["carrier_control_url"])
    with callable_in(running, OUR_NUMBER):
        numbers(running, "add", OUR_NUMBER)
        with both_ways(running, gateway, ledger) as up:
            yield up
    gateway.close()
    ledger.close()


@pytest.mark.fault("F26")
def test_a_hang_up_that_livekit_is_not_told_of_is_a_hang_up(
    signals: tuple[dict[str, Any], TcpProxy], calls: BothWays
) -> None:
    """The bridge's last words are lost; what it closed tells of the end, within seconds."""
    _, proxy = signals
    with proxy.fault("half_open"):
        calls.hang_up()
        for call_id in calls.ids:
            left = [
                event["data"]["disconnect_reason"]
                for event in calls.gateway.events(call_id)
                if event["type"] == "room.participant_left" and event["data"]["kind"] == "sip"
            ]
            assert "client_initiated" not in left, "LiveKit was told of it: this shows nothing"


@pytest.mark.slow
@pytest.mark.fault("F7")
def test_a_bridge_that_stands_still_for_a_while_has_not_let_go(
    signals: tuple[dict[str, Any], TcpProxy], calls: BothWays
) -> None:
    """Neither packets nor answers for eight seconds, and the calls go on."""
    running, _ = signals
    with frozen([processes(running)["livekit-sip"]]):
        thaw = time.monotonic() + 8
        until_sync(lambda: time.monotonic() > thaw, 20)
    for one in calls.hearing():
        one.until_more()
    assert calls.up()
    calls.hang_up()
