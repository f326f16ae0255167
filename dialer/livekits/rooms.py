"""The rooms of all LiveKits as if they were one's: each is asked of the one that it is in."""

from __future__ import annotations

from datetime import timedelta

from dialer.calls.rooms import Dispatch, RoomMember, Rooms, RoomState
from dialer.livekits.choice import LiveKits
from telephony.bridge_hold import Hold


class RoomsOfAll:
    """The port ``Rooms``; a room's name says whose it is."""

    def __init__(self, livekits: LiveKits) -> None:
        self._livekits = livekits

    def _of(self, room: str) -> Rooms:
        return self._livekits.of(room).rooms

    async def create(self, room: str, dispatch: Dispatch | None) -> RoomState:
        """Create the room."""
        return await self._of(room).create(room, dispatch)

    async def redispatch(self, room: str, dispatch: Dispatch) -> None:
        """Take back every dispatch of the room, then ask again."""
        await self._of(room).redispatch(room, dispatch)

    async def ask_once_more(self, room: str, dispatch: Dispatch) -> None:
        """Ask for an agent and take no earlier dispatch back."""
        await self._of(room).ask_once_more(room, dispatch)

    async def remove_participant(self, room: str, identity: str) -> None:
        """Remove a participant."""
        await self._of(room).remove_participant(room, identity)

    async def delete(self, room: str, *, if_listed: bool = False) -> None:
        """Delete the room and hang up all that is in it."""
        await self._of(room).delete(room, if_listed=if_listed)

    async def list(self, prefix: str) -> list[RoomState]:
        """List the rooms of a prefix, in the LiveKit whose names begin so."""
        return await self._of(prefix).list(prefix)

    async def served(self, room: str) -> bool:
        """Say whether a living server holds the room."""
        return await self._of(room).served(room)

    async def participants(self, room: str) -> list[RoomMember]:
        """List who is in the room."""
        return await self._of(room).participants(room)

    async def hold(self, room: str, identity: str) -> Hold:
        """Ask the bridge whether it still holds a phone."""
        return await self._of(room).hold(room, identity)

    def token(self, room: str, identity: str, ttl: timedelta) -> str:
        """Make a participant token, with the keys of the room's LiveKit."""
        return self._of(room).token(room, identity, ttl)
