"""Put away rooms that nobody put away; only rooms of ours, and only after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.database import Database
from dialer.adapters.tables import attempts, calls, events
from dialer.calls.rooms import Rooms, RoomState
from dialer.calls.suspicion import Suspicions
from dialer.livekits.livekit import Realm
from telephony.call import AttemptState, EndedReason
from telephony.errors import Unavailable
from telephony.events import EventType

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
_AT_ONCE = 16
_MOST_AT_A_LOOK = 500


class Sweep:
    """The reaper's look at rooms.

    Shape: ``ended_room`` is how long a call's room may outlive it, ``stray_room`` how long a room
    may be there without anything that runs in it; ``unowned`` is told of those of no attempt.
    """

    def __init__(
        self,
        *,
        database: Database,
        rooms: Rooms,
        realm: Realm,
        suspicions: Suspicions,
        ended_room: timedelta,
        stray_room: timedelta,
        unowned: Callable[[RoomState], Awaitable[None]] | None = None,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._realm = realm
        self._suspicions = suspicions
        self._ended_room = ended_room
        self._stray_room = stray_room
        self._unowned = unowned
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
            elif self._unowned is not None and room.name not in owners:
                await self._unowned(room)
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

    def doubt(self, room: str) -> None:
        """Remember a room that was not deleted when it should have been."""
        self._put_away.setdefault(room, 0)

    async def _note_gone(self, listed: set[str]) -> None:
        async with self._database.reading() as connection:
            ended = (await connection.execute(_not_known_to_be_gone(self._realm))).all()
            missing = [row for row in ended if row.room not in listed]
            undeleted = await _undeleted(connection, missing)
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def stays_away(row: Row[Any]) -> bool:
            if not _doubtful(row, undeleted) and row.room not in self._put_away:
                return True
            async with at_once:
                return await self._delete_again(row)

        gone = await asyncio.gather(*(stays_away(row) for row in missing))
        await self._note([row for row, away in zip(missing, gone, strict=True) if away])
        still = {row.room for row in ended}
        self._put_away = {room: n for room, n in self._put_away.items() if room in still}

    async def _note(self, gone: list[Row[Any]]) -> None:
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

    async def _delete_again(self, ended: Row[Any]) -> bool:
        """Delete a room that no list names, where it is time; say whether it was the last time.

        A bridge that lost its server comes back into the room by itself, also after the call was
        given up; and a Redis that came back empty names no room, whoever is in it.
        """
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


def _not_known_to_be_gone(realm: Realm) -> Select[Any]:
    columns = (attempts.c.tenant_id, attempts.c.call_id, attempts.c.id, attempts.c.room)
    of_call = (calls.c.tenant_id == attempts.c.tenant_id) & (calls.c.id == attempts.c.call_id)
    query: Any = (
        select(*columns, attempts.c.ended_at, calls.c.ended_reason, calls.c.sip_status_code)
        .join(calls, of_call)
        # The words of ix_attempts_room_left. A state beside them would lead SQLite to its index,
        # and so through everything that ever ended.
        .where(
            attempts.c.ended_at.is_not(None),
            attempts.c.room.is_not(None),
            attempts.c.room_gone_at.is_(None),
            realm.holding(attempts.c.room),
        )
        .order_by(attempts.c.ended_at)
        .limit(_MOST_AT_A_LOOK)
    )
    return query


async def _undeleted(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> set[str]:
    """Name the calls whose worker says that it could not delete the room."""
    query = select(events.c.call_id, events.c.data).where(
        events.c.tenant_id.in_({row.tenant_id for row in rows}),
        events.c.call_id.in_([row.call_id for row in rows]),
        events.c.type == EventType.CALL_WARNING.value,
    )
    found: list[Any] = list((await connection.execute(query)).all()) if rows else []
    return {row.call_id for row in found if row.data.get("code") == "room_not_deleted"}


def _doubtful(ended: Row[Any], undeleted: set[str]) -> bool:
    """Tell whether somebody may be in the room of an ended call, or come back into it."""
    if ended.call_id in undeleted:
        return True
    # Where the carrier had the last word, the bridge was there to hear it.
    return ended.ended_reason in _OF_LOST_SERVERS and ended.sip_status_code is None
