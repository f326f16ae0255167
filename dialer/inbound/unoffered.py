"""Look after rooms of callers whom no agent offered.

A dispatch rule makes the room of a call that comes in and asks LiveKit for an agent. Nobody says so
where none comes: no worker was there, each was full, or the one that came died. The caller hears
ringing meanwhile, so we ask once more and then let the bridge refuse: a busy tone, on which a
carrier goes its own next way, is better than a phone that nobody will ever answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from dialer.calls.rooms import Dispatch, ParticipantKind, Rooms, RoomState
from dialer.workers.presence import Presence
from telephony.errors import Unavailable
from telephony.worker_contract import InboundJob

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: How long the rule's own dispatch may take, and how long a caller is left ringing at all.
ASK_AGAIN: Final = timedelta(seconds=3)
GIVE_UP: Final = timedelta(seconds=10)
_MOST_REMEMBERED: Final = 10_000


class Unoffered:
    """The rooms that belong to no call."""

    def __init__(
        self, *, rooms: Rooms, presence: Presence, agent_name: str, now: Callable[[], datetime]
    ) -> None:
        self._rooms = rooms
        self._presence = presence
        self._agent_name = agent_name
        self._now = now
        self._seen: dict[str, datetime] = {}
        self._asked: set[str] = set()

    async def look(self, room: RoomState) -> None:
        """Deal with one such room, again and again for as long as it is there."""
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.clear()
            self._asked.clear()
        # By our own clock: LiveKit counts in whole seconds, on a host that may have another time.
        waited = self._now() - self._seen.setdefault(room.name, self._now())
        if waited < ASK_AGAIN:
            return
        try:
            if not await self._somebody_calls(room.name):
                return
            if waited >= GIVE_UP:
                log.warning("caller refused, no agent came", room=room.name)
                await self._rooms.delete(room.name)
            elif room.name not in self._asked and await self._anybody_free():
                self._asked.add(room.name)
                log.warning("agent asked for again", room=room.name)
                dispatch = Dispatch(self._agent_name, InboundJob().model_dump_json())
                await self._rooms.ask_once_more(room.name, dispatch)
        except Unavailable:
            log.info("caller's room not looked after yet", room=room.name)

    async def _somebody_calls(self, room: str) -> bool:
        members = await self._rooms.participants(room)
        return any(member.kind is ParticipantKind.SIP for member in members)

    async def _anybody_free(self) -> bool:
        return any(
            worker.takes_calls and worker.presence.live_calls < worker.presence.capacity
            for worker in await self._presence.live()
        )
