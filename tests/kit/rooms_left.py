"""Ask LiveKit itself what is still there."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit import api

from tests.kit.gateway import Gateway


async def list_rooms(running: dict[str, Any]) -> list[str]:
    """Name every room that LiveKit has."""
    async with api.LiveKitAPI(
        running["livekit_url"], running["livekit_api_key"], running["livekit_api_secret"]
    ) as livekit:
        listed = await livekit.room.list_rooms(api.ListRoomsRequest())
        return [room.name for room in listed.rooms]


def rooms(running: dict[str, Any]) -> list[str]:
    """Do the same without an event loop."""
    return asyncio.run(list_rooms(running))


def rooms_left(running: dict[str, Any], call_id: str, gateway: Gateway) -> list[str]:
    """Name the rooms of one call that are still there."""
    attempts = {event["attempt_id"] for event in gateway.events(call_id) if event.get("attempt_id")}
    return [name for name in rooms(running) if any(name.endswith(a) for a in attempts)]
