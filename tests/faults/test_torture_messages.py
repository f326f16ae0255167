"""RFC 4475's messages at the bridge: it lives, makes nothing of them, and live calls go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.faults.conftest import Stack
from tests.kit.both_ways import both_ways
from tests.kit.calling_in import OUR_NUMBER, callable_in, numbers
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import processes, until_workers
from tests.kit.strangers import Stranger, left
from tests.kit.torture import FORMS


@pytest.fixture(scope="module", autouse=True)
def _reachable(stack: Stack) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    until_workers(stack.running)
    numbers(stack.running, "add", OUR_NUMBER)
    with callable_in(stack.running, OUR_NUMBER, allowed="127.0.0.1/32"):
        yield


@pytest.mark.alone
@pytest.mark.fault("F36")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("transport", ["udp", pytest.param("tcp", marks=pytest.mark.slow)])
def test_torture_messages_make_no_room_and_cost_no_packet(
    transport: str, whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F36: for our own number, from an address that no trunk knows, with a call up each way."""
    since = datetime.now(UTC)
    stranger = Stranger(whole.running["sip_address"], transport)
    with both_ways(whole.running, gateway, ledger) as calls:
        before, hearing = left(whole.running, gateway, since), calls.hearing()
        for form in FORMS:
            with stranger.socket() as way:
                host, port = way.getsockname()
                told = stranger.sends(
                    way,
                    form.message(
                        host=host,
                        port=port,
                        called=OUR_NUMBER,
                        bridge="127.0.0.1",
                        transport=transport,
                    ),
                )
            print(f"{form.tag}: {told}")
            taken = [one for one in told if one.startswith("SIP/2.0 2")]
            assert form.method != "INVITE" or not taken, f"{form.tag}: {taken}"
            assert stranger.asks() == 200, f"after {form.tag}"
            assert processes(whole.running)["livekit-sip"] == before.bridge, form.tag
        for one in hearing:
            one.check()
        assert left(whole.running, gateway, since) == before
        assert calls.up()
        calls.hang_up()
