"""Put away rooms that nobody put away; only rooms of ours, and only after a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, select, update

from dialer.adapters.database import Database
from dialer.adapters.tables import attempts, calls
from dialer.calls.rooms import Rooms, RoomState
from dialer.calls.suspicion import Suspicions
from telephony.call import AttemptState, EndedReason
from telephony.errors import Unavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Ends after which somebody may still be in the room, or come back into it.
_OF_LOST_SERVERS = {
    EndedReason.LOST.value,
    EndedReason.BRIDGE_LOST.value,
    EndedReason.MEDIA_SERVER_LOST.value,
    EndedReason.AGENT_ERROR.value,
    EndedReason.CARRIER_ERROR.value,
}
#: How long after such an end its room is deleted once more. livekit-sip tries for up to a minute.
_AGAIN = (timedelta(seconds=15), timedelta(seconds=30), timedelta(seconds=60))


class Sweep:
    """The reaper's look at rooms.

    Shape: ``ended_room`` is how long a call's room may outlive it, ``stray_room`` how long a room
    may be there without anything that runs in it.
    """

    def __init__(
        self,
        *,
        database: Database,
        rooms: Rooms,
        suspicions: Suspicions,
        ended_room: timedelta,
        stray_room: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._suspicions = suspicions
        self._ended_room = ended_room
        self._stray_room = stray_room
        self._now = now
        self._put_away: dict[str, int] = {}

    async def look(self, listed: dict[str, RoomState]) -> None:
        """Delete rooms that belong to nothing that runs, and note those that are gone."""
        query: Any = select(attempts.c.room, attempts.c.state, attempts.c.ended_at).where(
            attempts.c.room.in_(list(listed))
        )
        async with self._database.reading() as connection:
            owners: dict[str, Row[Any]] = {
                row.room: row for row in (await connection.execute(query)).all()
            }
        for room in listed.values():
            if self._is_stray(room, owners.get(room.name)):
                log.warning("stray room deleted", room=room.name)
                try:
                    await self._rooms.delete(room.name)
                except Unavailable:
                    log.info("room not deleted yet", room=room.name)
        await self._note_gone(set(listed))

    def _is_stray(self, room: RoomState, owner: Row[Any] | None) -> bool:
        now = self._now()
        if owner is not None and owner.state == AttemptState.ENDED.value:
            return now - owner.ended_at >= self._ended_room
        if owner is not None and owner.state != AttemptState.WAITING.value:
            return False
        # Nobody's, or of a claim that was given back: it may be in the making all the same.
        since = self._suspicions.since("stray", room.name)
        return now - max(since, room.created_at) >= self._stray_room

    async def _note_gone(self, listed: set[str]) -> None:
        columns = (attempts.c.tenant_id, attempts.c.id, attempts.c.room, attempts.c.ended_at)
        of_call = (calls.c.tenant_id == attempts.c.tenant_id) & (calls.c.id == attempts.c.call_id)
        ended: Any = (
            select(*columns, calls.c.ended_reason)
            .join(calls, of_call)
            .where(
                attempts.c.state == AttemptState.ENDED.value,
                attempts.c.room.is_not(None),
                attempts.c.room_gone_at.is_(None),
            )
        )
        async with self._database.reading() as connection:
            ended_ones = (await connection.execute(ended.limit(500))).all()
        missing = [row for row in ended_ones if row.room not in listed]
        gone = [row for row in missing if await self._stays_away(row)]
        if not gone:
            return
        async with self._database.transaction() as tx:
            for row in gone:
                self._put_away.pop(row.room, None)
                await tx.execute(
                    update(attempts)
                    .where(attempts.c.tenant_id == row.tenant_id, attempts.c.id == row.id)
                    .values(room_gone_at=self._now())
                )

    async def _stays_away(self, ended: Row[Any]) -> bool:
        """Say whether a room that no list names is surely gone; delete it again if it may not be.

        A bridge that lost its server comes back into the room by itself, also after the call was
        given up; and a Redis that came back empty names no room, whoever is in it.
        """
        if ended.ended_reason not in _OF_LOST_SERVERS:
            return True
        age = self._now() - ended.ended_at
        due = sum(age >= again for again in _AGAIN)
        if due > self._put_away.get(ended.room, 0):
            try:
                await self._rooms.delete(ended.room)
            except Unavailable:
                log.info("room not deleted yet", room=ended.room)
                return False
            self._put_away[ended.room] = due
        return due == len(_AGAIN)
