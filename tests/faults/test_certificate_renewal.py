"""A bridge never reads a renewed certificate: another one takes the calls while it drains."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.certificates import Authority
from tests.faults.test_two_of_everything import Talks, whole
from tests.kit import postgres
from tests.kit.by_livekit_alone import call_in, desk, hang_up_in, record_of
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import held, processes
from tests.kit.running import sandbox
from tests.kit.until import until, until_sync

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BRIDGE = "livekit-sip"
OURS = "+14155550170"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a sandbox with two of everything whose SIP goes over TLS."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres.server())
        url = stack.enter_context(postgres.fresh_database(server, migrated=False))
        state = tmp_path_factory.mktemp("renewal")
        arguments = ("--twice", "--tls", "require", "--database-url", url)
        yield stack.enter_context(sandbox(state, *arguments))


@pytest.fixture(scope="module")
def gateways(pair: dict[str, Any]) -> Iterator[list[Gateway]]:
    """Give a client for each API process."""
    clients = [Gateway(url, pair["api_key"]) for url in pair["api_urls"]]
    yield clients
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def carrier(pair: dict[str, Any]) -> Iterator[CarrierLedger]:
    """Give the carrier's record."""
    client = CarrierLedger(pair["carrier_control_url"])
    yield client
    client.close()


def shown_at(address: str) -> str:
    """Give the certificate that a bridge shows to a new connection."""
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)))


async def hears_a_call(pair: dict[str, Any], bridge: str) -> None:
    """Call in over TLS by one bridge and hear both ways."""
    async with desk(pair, OURS, "require") as seat:
        call = await call_in(pair, OURS, transport="tls", srtp=True, bridge=bridge)

        async def heard() -> bool:
            now = await record_of(pair, call)
            return seat.heard > 20 and now.rtp["packets_audible"] > 50

        await until(heard, 30, what=f"a call by {bridge} is heard")
        await hang_up_in(pair, call)


async def test_a_second_bridge_takes_the_calls_while_the_first_drains_for_its_certificate(
    pair: dict[str, Any], gateways: list[Gateway], carrier: CarrierLedger
) -> None:
    first, second = pair["sip_tls_addresses"]
    until_sync(lambda: whole(pair), 120, what="all are there")
    talks = Talks(pair, gateways, carrier, 2)
    talks.add_until_one_is_on(BRIDGE)
    before = shown_at(first)

    renewed = Authority(Path(pair["certificates_dir"])).issue(BRIDGE).certificate.read_text()

    assert shown_at(first) == before, "the bridge reads a renewed certificate by itself"
    draining, drained = processes(pair)[BRIDGE], talks.of(BRIDGE)
    with held(pair, BRIDGE):
        os.kill(draining, signal.SIGTERM)
        talks.go_on(talks.phones.keys())
        talks.add(2)
        assert talks.of(BRIDGE) == drained, "a draining bridge was given a call"
        await hears_a_call(pair, second)
        # Its port stays open, and that it is draining keeps nobody out: carriers have to be told.
        await hears_a_call(pair, first)
        assert processes(pair)[BRIDGE] == draining, "the bridge did not wait for its calls"
        talks.end()
        until_sync(lambda: BRIDGE not in processes(pair), 120, what="it is drained")
    until_sync(lambda: whole(pair), 120, what="all are there again")
    assert shown_at(first).split() == renewed.split()
    await hears_a_call(pair, first)
    talks.add_until_one_is_on(BRIDGE)
    assert {call["outcome"] for call in talks.end().values()} == {"completed"}
