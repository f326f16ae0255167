"""One long-lived client of LiveKit's API, and what its errors mean to us."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
from livekit import api
from livekit.api.room_service import RoomService
from livekit.protocol.room import PerformRpcRequest, PerformRpcResponse

from telephony.errors import Unavailable

#: What livekit-server 1.13 says of a room that its lists name and that no server has: one that was
#: killed in the middle of making or closing it leaves it so.
_NOBODYS = "could not find object"
#: A request that takes longer is of no use to a call that waits for it.
_TIMEOUT = aiohttp.ClientTimeout(total=5, connect=2)


class NoSuchThing(Unavailable):
    """LiveKit does not know what was asked for; to who did not expect it, LiveKit is in trouble."""


class RoomRpc(RoomService):
    """The one request of LiveKit's room service that its Python library lacks."""

    async def perform(self, request: PerformRpcRequest) -> PerformRpcResponse:
        """Ask a participant something, as if from inside its room. Errors: the client's own."""
        rights = self._auth_header(api.VideoGrants(room_admin=True, room=request.room))
        return await self._client.request(
            "RoomService", "PerformRpc", request, rights, PerformRpcResponse
        )


class LiveKitSession:
    """The client; it connects at its first use, inside the running event loop."""

    def __init__(self, *, url: str, api_key: str, api_secret: str) -> None:
        self._url = url
        self._key = api_key
        self._secret = api_secret
        self._client: api.LiveKitAPI | None = None
        self._rpc: RoomRpc | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def client(self) -> api.LiveKitAPI:
        """Give the client."""
        if self._client is None:
            self._client = api.LiveKitAPI(
                self._url, self._key, self._secret, session=self._connections, failover=False
            )
        return self._client

    @property
    def rpc(self) -> RoomRpc:
        """Give what asks participants."""
        if self._rpc is None:
            self._rpc = RoomRpc(
                self._connections, self._url, self._key, self._secret, failover=False
            )
        return self._rpc

    @property
    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            # The client leaves a session that was given to it to its owner.
            await self._client.aclose()
        if self._session is not None:
            await self._session.close()
        self._client = self._rpc = self._session = None


class NoAnswer(Unavailable):
    """LiveKit is there, but no server of it answers for this room."""


@asynccontextmanager
async def translated() -> AsyncGenerator[None]:
    """Turn what the client raises into what the ports promise.

    Errors: NoSuchThing for LiveKit's ``not_found``; NoAnswer where the room's own server is silent;
    Unavailable for everything else.
    """
    try:
        yield
    except api.ServerError as error:
        if error.code == api.ServerErrorCode.NOT_FOUND:
            raise NoSuchThing("media_server_unavailable", "LiveKit lost it.") from error
        if error.code == api.ServerErrorCode.UNAVAILABLE or _NOBODYS in error.message:
            raise NoAnswer("media_server_unavailable", "No server answers for the room.") from error
        raise _unavailable(f"LiveKit answered {error.code}.") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unavailable("LiveKit cannot be reached.") from error


def _unavailable(message: str) -> Unavailable:
    return Unavailable("media_server_unavailable", message)
