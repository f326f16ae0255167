"""Asks the bridge, through LiveKit, whether it still holds its end of a call."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
from livekit import api
from livekit.api.room_service import RoomService
from livekit.protocol.room import PerformRpcRequest, PerformRpcResponse

from telephony.bridge_hold import ANSWER_WITHIN, METHOD, Hold, told_by

#: Units: seconds, for the whole request; livekit-server waits three for its own part of it.
_PATIENCE: Final = 4.0


class BridgeHold(RoomService):
    """The one call of LiveKit's room service that its Python library lacks."""

    async def ask(self, room: str, identity: str) -> Hold:
        """Ask the bridge that stands in this room for a phone."""
        question = PerformRpcRequest(
            room=room,
            destination_identity=identity,
            method=METHOD,
            response_timeout_ms=ANSWER_WITHIN,
        )
        rights = self._auth_header(api.VideoGrants(room_admin=True, room=room))
        asking = self._client.request(
            "RoomService", "PerformRpc", question, rights, PerformRpcResponse
        )
        try:
            await asyncio.wait_for(asking, _PATIENCE)
        except api.ServerError as error:
            return told_by(error.code, error.message)
        except (aiohttp.ClientError, TimeoutError):
            return Hold.UNKNOWN
        return Hold.THERE
