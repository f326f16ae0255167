"""Two trunks over the real stack: what one refuses leaves by the other, and rings once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from livekit import api

from dialer.adapters.database import Database
from dialer.routing.sealing import Sealing
from dialer.routing.store import TrunkStore
from dialer.routing.trunk import Trunk
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.refusing_carrier import refusing_carrier
from tests.kit.trunks import trunk
from tests.kit.until import until_sync

#: Answers, and hangs up after a second.
CALLEE = "+14155550112"
#: The one of the sandbox's settings, which goes to the simulated carrier.
OWN = "outbound"


def _kept(running: dict[str, Any], *, put: Trunk | None = None, remove: str = "") -> None:
    async def change() -> None:
        database = Database(running["database_url"])
        try:
            # Without a password there is nothing to seal.
            store = TrunkStore(database, Sealing([]), now=lambda: datetime.now(UTC))
            if put is not None:
                await store.put(put)
            else:
                await store.remove(remove)
        finally:
            await database.close()

    asyncio.run(change())


def _names_in_livekit(running: dict[str, Any]) -> set[str]:
    async def names() -> set[str]:
        async with api.LiveKitAPI(
            running["livekit_url"], running["livekit_api_key"], running["livekit_api_secret"]
        ) as livekit:
            listed = await livekit.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
            return {one.name for one in listed.items}

    return asyncio.run(names())


def _figures(gateway: Gateway, name: str) -> list[str]:
    answer = gateway.http.get("/metrics")
    answer.raise_for_status()
    return [line for line in answer.text.splitlines() if f'trunk="{name}"' in line]


@contextmanager
def _first_trunk(running: dict[str, Any], gateway: Gateway, **fields: Any) -> Generator[str]:
    """Have a trunk that goes before the sandbox's own, until the block ends."""
    wanted: dict[str, Any] = {"numbers": _numbers(gateway), "priority": 1, **fields}
    first = trunk(**wanted)
    _kept(running, put=first)
    try:
        until_sync(
            lambda: first.livekit_name in _names_in_livekit(running), 30, what="LiveKit has it"
        )
        yield first.name
    finally:
        _kept(running, remove=first.name)
        gone = f"{first.name} is no longer used"
        until_sync(lambda: not _carried(gateway, first.name), 30, what=gone)


def _carried(gateway: Gateway, name: str) -> list[str]:
    return [line for line in _figures(gateway, name) if line.startswith("telephony_trunk_calls")]


def _numbers(gateway: Gateway) -> tuple[str, ...]:
    newest = gateway.http.get("/calls", params={"limit": 1}).json()["calls"]
    return (newest[0]["caller_id"],) if newest else ("+14155550190",)


def _told(gateway: Gateway, call_id: str, event: str) -> list[dict[str, Any]]:
    return [one["data"] for one in gateway.events(call_id) if one["type"] == event]


@pytest.mark.fault("F19", "F20")
@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("unavailable", "503 Service Unavailable", "trunk_unavailable"),
        ("broken", "500 Server Internal Error", "trunk_error"),
        ("stranger", "403 Forbidden", "trunk_auth"),
        ("busy-trunk", "503 CPS limit exceeded", "too_fast"),
    ],
)
def test_a_call_that_one_trunk_refuses_leaves_by_the_other_and_rings_once(
    name: str,
    status: str,
    why: str,
    gateway: Gateway,
    ledger: CarrierLedger,
    running: dict[str, Any],
) -> None:
    since = datetime.now(UTC)
    with (
        refusing_carrier(status) as refusing,
        _first_trunk(running, gateway, name=name, address=refusing.address),
    ):
        call = gateway.until_ended(gateway.place(CALLEE)["id"])
    assert (call["outcome"], call["ended_reason"]) == ("completed", "callee_hangup")
    assert (call["trunk"], call["attempts"]) == (OWN, 1)

    seen = ledger.only_call(CALLEE, since=since)
    assert (len(refusing.invites), seen.invites) == (1, 1)
    assert refusing.attempts == [seen.raw["headers"]["x-attempt-id"]]
    assert _told(gateway, call["id"], "call.requeued") == [{"trunk": name, "why": why}]
    trunks = [told["trunk"] for told in _told(gateway, call["id"], "call.dispatching")]
    assert trunks == [name, OWN]


@pytest.mark.fault("F19")
def test_a_trunk_at_which_nobody_listens_costs_no_call(
    gateway: Gateway, ledger: CarrierLedger, running: dict[str, Any]
) -> None:
    since = datetime.now(UTC)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with _first_trunk(running, gateway, name="deaf", address=address, transport="tcp"):
            call = gateway.until_ended(gateway.place(CALLEE)["id"])
    assert (call["outcome"], call["trunk"]) == ("completed", OWN), gateway.events(call["id"])
    assert ledger.only_call(CALLEE, since=since).invites == 1


@pytest.mark.fault("F19")
@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [("callee-busy", "486 Busy Here", "busy"), ("no-codec", "488 Not Acceptable Here", "codec")],
)
def test_what_the_callees_side_says_is_the_end_and_the_other_trunk_is_not_asked(
    name: str,
    status: str,
    reason: str,
    gateway: Gateway,
    ledger: CarrierLedger,
    running: dict[str, Any],
) -> None:
    since = datetime.now(UTC)
    with (
        refusing_carrier(status) as refusing,
        _first_trunk(running, gateway, name=name, address=refusing.address),
    ):
        call = gateway.until_ended(gateway.place(CALLEE)["id"])
    assert (call["ended_reason"], call["trunk"]) == (reason, name)
    assert len(refusing.invites) == 1
    assert ledger.calls(CALLEE, since=since) == []
