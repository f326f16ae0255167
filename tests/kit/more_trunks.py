"""More trunks in the gateway's database, beside the one of the sandbox's settings."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livekit import api

from dialer.adapters.database import Database
from dialer.routing.sealing import Sealing
from dialer.routing.store import TrunkStore
from dialer.routing.trunk import Trunk
from tests.kit.gateway import Gateway
from tests.kit.trunks import trunk
from tests.kit.until import until_sync

#: A caller ID of the sandbox's own.
SHOWN = "+14155550191"


@contextmanager
def first_trunk(running: dict[str, Any], gateway: Gateway, **fields: Any) -> Generator[str]:
    """Have a trunk that goes before the sandbox's own, until the block ends; gives its name."""
    wanted: dict[str, Any] = {"numbers": (SHOWN,), "priority": 1, **fields}
    first = trunk(**wanted)
    _kept(running, put=first)
    try:
        until_sync(
            lambda: first.livekit_name in names_in_livekit(running), 30, what="LiveKit has it"
        )
        yield first.name
    finally:
        _kept(running, remove=first.name)
        gone = f"{first.name} is no longer used"
        until_sync(lambda: not carried(gateway, first.name), 30, what=gone)


@contextmanager
def second_way(running: dict[str, Any], gateway: Gateway) -> Generator[str]:
    """Have another way to the simulated carrier that goes first, until the block ends."""
    credentials = {
        "username": running["carrier_username"],
        "password": running["carrier_password"],
    }
    # LiveKit keeps a trunk that the gateway no longer uses: of a name of its own it is a new one.
    name = f"second-{secrets.token_hex(3)}"
    with first_trunk(
        running, gateway, name=name, address=running["carrier_address"], **credentials
    ):
        yield name


def names_in_livekit(running: dict[str, Any]) -> set[str]:
    """Name the outbound trunks that LiveKit has."""

    async def names() -> set[str]:
        async with api.LiveKitAPI(
            running["livekit_url"], running["livekit_api_key"], running["livekit_api_secret"]
        ) as livekit:
            listed = await livekit.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
            return {one.name for one in listed.items}

    return asyncio.run(names())


def carried(gateway: Gateway, name: str) -> list[str]:
    """Give the lines of the metrics that tell how many calls a trunk carries."""
    answer = gateway.http.get("/metrics")
    answer.raise_for_status()
    lines = [line for line in answer.text.splitlines() if f'trunk="{name}"' in line]
    return [line for line in lines if line.startswith("telephony_trunk_calls")]


def _kept(running: dict[str, Any], *, put: Trunk | None = None, remove: str = "") -> None:
    async def change() -> None:
        database = Database(running["database_url"])
        try:
            store = TrunkStore(database, Sealing(_secrets(running)), now=lambda: datetime.now(UTC))
            if put is not None:
                await store.put(put)
            else:
                await store.remove(remove)
        finally:
            await database.close()

    asyncio.run(change())


def _secrets(running: dict[str, Any]) -> list[str]:
    kept = Path(running["state_file"]).parent / "data" / "secrets.json"
    return [json.loads(kept.read_text())["token_secret"]]
