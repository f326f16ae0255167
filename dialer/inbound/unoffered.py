"""Look after rooms of callers whom no agent offered.

A dispatch rule makes the room of a call that comes in and asks LiveKit for an agent. Nobody says so
where none comes: no worker was there, each was full, or the one that came died. The caller hears
ringing meanwhile, so we ask once more, and then take the caller ourselves: to the overflow number,
or to an apology. Only where nothing of that is possible the bridge refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from dialer.adapters.database import Database
from dialer.calls.aside import Aside
from dialer.calls.looping import keep_going
from dialer.calls.rooms import Dispatch, ParticipantKind, RoomMember, Rooms, RoomState
from dialer.inbound.lookup import rooms_of_calls
from dialer.workers.presence import Presence
from telephony.errors import Unavailable
from telephony.worker_contract import OVERFLOW_IDENTITY, InboundJob

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: How long the rule's own dispatch may take, and how long a caller is left ringing with nobody.
ASK_AGAIN: Final = timedelta(seconds=3)
GIVE_UP: Final = timedelta(seconds=6)
#: An agent that is in the room is about to offer the call, or was killed and lingers.
WITH_AGENT: Final = timedelta(seconds=10)
#: Units: seconds.
_LOOK_EVERY: Final = 0.5
_MOST_REMEMBERED: Final = 10_000

#: Takes a caller; False where the room should be closed instead.
Take = Callable[[str, RoomMember], Awaitable[bool]]


class Unoffered:
    """The rooms that belong to no call.

    Shape: ``take`` None refuses every caller in the end; ``within`` bounds their ringing.
    """

    def __init__(
        self,
        *,
        rooms: Rooms,
        presence: Presence,
        agent_name: str,
        now: Callable[[], datetime],
        database: Database | None = None,
        take: Take | None = None,
        within: timedelta = GIVE_UP,
    ) -> None:
        self._rooms = rooms
        self._presence = presence
        self._agent_name = agent_name
        self._now = now
        self._database = database
        self._take = take
        self._within = within
        self._seen: dict[str, datetime] = {}
        self._waiting: dict[str, RoomState] = {}
        self._asked: set[str] = set()
        self._looking: set[str] = set()
        #: By room: the callers who wait for their turn elsewhere.
        self._leaving = Aside("unoffered")

    async def run(self) -> None:
        """Look at the rooms that wait, more often than the reaper does; until cancelled."""
        try:
            await keep_going("unoffered", self.step)
        finally:
            await self._leaving.stop()

    async def settled(self) -> None:
        """Wait until nobody is on the way elsewhere any more."""
        await self._leaving.settled()

    async def step(self) -> float:
        """Look once at every room that waits; gives the seconds to the next look."""
        if self._waiting:
            owned = await self._owned(list(self._waiting))
            for name, room in list(self._waiting.items()):
                if name in owned:
                    self._waiting.pop(name, None)
                else:
                    await self.look(room)
        return _LOOK_EVERY

    async def _owned(self, names: list[str]) -> set[str]:
        if self._database is None:
            return set()
        async with self._database.reading() as connection:
            return await rooms_of_calls(connection, names)

    async def look(self, room: RoomState) -> None:
        """Deal with one such room, again and again for as long as it is there."""
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.clear()
            self._asked.clear()
        # By our own clock: LiveKit counts in whole seconds, on a host that may have another time.
        waited = self._now() - self._seen.setdefault(room.name, self._now())
        self._waiting[room.name] = room
        busy = room.name in self._looking or room.name in self._leaving
        if waited < min(ASK_AGAIN, self._within) or busy:
            return
        self._looking.add(room.name)
        try:
            await self._deal_with(room.name, waited)
        except Unavailable:
            log.info("caller's room not looked after yet", room=room.name)
        finally:
            self._looking.discard(room.name)

    async def _deal_with(self, room: str, waited: timedelta) -> None:
        members = await self._rooms.participants(room)
        caller = next((one for one in members if _calls(one)), None)
        if caller is None:
            self._waiting.pop(room, None)
            return
        joined = any(member.kind is ParticipantKind.AGENT for member in members)
        if waited >= (max(self._within, WITH_AGENT) if joined else self._within):
            # It may wait for a trunk's pace, which is to hold up no other caller.
            self._leaving.begin(room, lambda: self._leave_waiting_no_longer(room, caller))
        elif room not in self._asked and await self._anybody_free():
            self._asked.add(room)
            log.warning("agent asked for again", room=room)
            dispatch = Dispatch(self._agent_name, InboundJob().model_dump_json())
            await self._rooms.ask_once_more(room, dispatch)

    async def _leave_waiting_no_longer(self, room: str, caller: RoomMember) -> None:
        if self._take is None or not await self._take(room, caller):
            log.warning("caller refused, no agent came", room=room)
            await self._rooms.delete(room)
        self._waiting.pop(room, None)

    async def _anybody_free(self) -> bool:
        return any(
            worker.takes_calls and worker.presence.live_calls < worker.presence.capacity
            for worker in await self._presence.live()
        )


def _calls(member: RoomMember) -> bool:
    return member.kind is ParticipantKind.SIP and member.identity != OVERFLOW_IDENTITY
