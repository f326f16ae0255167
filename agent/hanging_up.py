"""Hanging up: the room is deleted, and the call with it."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
from livekit import api
from livekit.api.room_service import RoomService

from agent.logs import get_logger

log = get_logger(__name__)


#: How long one try to delete a room may take.
_DELETE_PATIENCE: Final = 3.0


async def hang_up(rooms: RoomService, room: str) -> bool:
    """Delete the room, and with it the call: BYE or CANCEL leaves. Say whether it is gone."""
    pause = 0.2
    for _ in range(5):
        try:
            await asyncio.wait_for(_delete(rooms, room), _DELETE_PATIENCE)
            return True
        except api.ServerError as error:
            log.warning("room_not_deleted", code=error.code)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("room_not_deleted", error=type(error).__name__)
        await asyncio.sleep(pause)
        pause *= 2
    return False


async def _delete(rooms: RoomService, room: str) -> None:
    deletion = api.DeleteRoomRequest(room=room)
    try:
        await rooms.delete_room(deletion)
    except api.ServerError as error:
        if error.code != api.ServerErrorCode.NOT_FOUND:
            raise
        # Gone, or only out of livekit-server's lists, as Redis came back empty: the callee would
        # then stay. Who makes the room again finds the one that is there.
        await rooms.create_room(api.CreateRoomRequest(name=room))
        await rooms.delete_room(deletion)
