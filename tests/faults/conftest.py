"""One sandbox for this tier, with a proxy before everything that can be lost on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import ready
from tests.kit.running import sandbox
from tests.kit.sip_proxy import SipProxy
from tests.kit.tcp_proxy import Address, TcpProxy
from tests.kit.until import until_sync
from tests.kit.ways import Ways, two_trunks_and_callers


@dataclass(frozen=True)
class Stack:
    """The sandbox, and what stands between its parts.

    Shape: a file in ``failpoints``, named as in dialer/failpoints.py, ends the API there. A call's
    metadata names a fault of its worker's.
    """

    running: dict[str, Any]
    redis: TcpProxy
    livekit: TcpProxy
    api: TcpProxy
    sip: SipProxy
    failpoints: Path

    def arm(self, *points: str) -> None:
        """Let the API die where these points are."""
        for point in points:
            (self.failpoints / point).touch()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Iterator[Stack]:
    """Run it, once for the tier."""
    state = tmp_path_factory.mktemp("faults")
    failpoints = tmp_path_factory.mktemp("failpoints")

    def told(key: str) -> Callable[[], Address]:
        """Find a part where the sandbox says that it is: the file is there before its processes."""
        return lambda: _address(json.loads((state / "sandbox.json").read_text())[key])

    with (
        TcpProxy(told("redis_url"), seed=seed) as redis,
        TcpProxy(told("livekit_url"), seed=seed) as livekit,
        TcpProxy(told("api_url"), seed=seed) as api,
        SipProxy(bridge=told("sip_address"), carrier=told("carrier_address"), seed=seed) as sip,
    ):
        proxies = {"redis": redis, "livekit": livekit, "api": api, "carrier": sip}
        via = ",".join(f"{name}={proxy.address}" for name, proxy in proxies.items())
        environment = {
            "FAILPOINTS_ENABLED": "true",
            "FAILPOINTS_FOLDER": str(failpoints),
            # A call that asks for a fault has it; a leak shall not take the machine's memory.
            "WORKER_FAILPOINTS": "true",
            "WORKER_MEMORY_LIMIT_MB": "1200",
        }
        with sandbox(state, "--via", via, environment=environment) as running:
            yield Stack(running, redis, livekit, api, sip, failpoints)


def _address(url: str) -> Address:
    parts = urlsplit(url if "//" in url else f"//{url}")
    assert parts.hostname and parts.port, url
    return parts.hostname, parts.port


@pytest.fixture(scope="session")
def running(stack: Stack) -> dict[str, Any]:
    """Give what sandbox.json says of this tier's sandbox."""
    return stack.running


@pytest.fixture
def whole(stack: Stack) -> Stack:
    """Give the sandbox once everything in it is there, whatever the last test did to it."""
    until_sync(lambda: ready(stack.running), 60, what="the sandbox is whole again")
    return stack


@pytest.fixture(
    params=[pytest.param("one_trunk", marks=pytest.mark.slow), "two_trunks_and_callers"]
)
def ways(
    request: pytest.FixtureRequest, whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> Iterator[Ways]:
    """Give how calls go: as they always did, and by the first of two trunks and in as well."""
    if request.param == "one_trunk":
        yield Ways(whole.running, gateway, ledger)
        return
    with two_trunks_and_callers(whole.running, gateway, ledger) as ways:
        yield ways
