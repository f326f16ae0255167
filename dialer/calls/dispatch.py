"""Bring waiting calls to workers: one loop, safe to run in several processes.

A call leaves the queue when the trunk is there, a worker has room and the trunk's pace allows it;
until then it waits and says for what. Nothing here dials: an agent is asked into the attempt's own
room, and asks for the permit itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from dialer.calls import claims
from dialer.calls.briefing import room_name
from dialer.calls.joining import Collaborators, Joining
from dialer.calls.looping import keep_going
from dialer.calls.pacing import OUTBOUND, Pace, Pacer
from dialer.calls.waiting import tell_all
from dialer.failpoints import Failpoint, passing
from dialer.workers.capacity import measure
from dialer.workers.presence import Capacity
from telephony.call import WaitingFor
from telephony.errors import Unavailable

#: Units: seconds. How often the queue is looked at when nobody says that something changed.
POLL = 1.0
#: Units: seconds. What is between two rounds at least while something holds up every call.
_LULL = 0.05
#: While nothing changes, those that come later are told what they wait for together, and so often.
_TELL_EVERY = timedelta(seconds=1)
#: How many of the queue one round looks at.
_ROUND = 50


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why no call may leave now, and the seconds until it is worth another look."""

    waiting_for: WaitingFor
    look_again: float = POLL


class Dispatcher:
    """The loop from the queue to the workers."""

    def __init__(self, given: Collaborators, *, pacer: Pacer) -> None:
        self._with = given
        self._pacer = pacer
        self._joining = Joining(given)
        self._held_up_at = float("-inf")
        self._told: WaitingFor | None = None
        self._told_at = datetime.min.replace(tzinfo=UTC)

    async def run(self) -> None:
        """Dispatch until cancelled."""
        try:
            await keep_going("dispatch", self.step, self._wait)
        finally:
            await self._joining.stop()

    async def _wait(self, pause: float) -> None:
        await self._with.signals.wait_work(pause)
        # Where calls cannot leave, those that come within a moment are told so together.
        rest = self._held_up_at + _LULL - asyncio.get_running_loop().time()
        if rest > 0:
            await asyncio.sleep(rest)

    async def step(self) -> float:
        """Do one round; gives the seconds to the next one."""
        return min(await self._joining.look_after(at_most=POLL), await self._empty_queue())

    async def settled(self) -> None:
        """Wait until every room that is being opened is open, or has failed."""
        await self._joining.settled()

    async def agent_lost(self, seen: Row[Any]) -> None:
        """Give back an attempt whose agent is gone before it asked for the permit."""
        await self._joining.agent_lost(seen)

    async def _empty_queue(self) -> float:
        async with self._with.database.reading() as connection:
            if not await claims.any_waits(connection, now=self._with.now()):
                return POLL
        trunk_id, capacity, obstacle = await self._survey()
        obstacle = obstacle or self._full(capacity, 0)
        if obstacle is not None:
            # Whose turn it would be takes a look at the whole queue, and nobody's turn it is.
            self._held_up_at = asyncio.get_running_loop().time()
            return min(obstacle.look_again, await self._tell(obstacle.waiting_for))
        async with self._with.database.reading() as connection:
            queue = await claims.waiting(connection, limit=_ROUND, now=self._with.now())
        taken = 0
        for seen in queue:
            obstacle = obstacle or self._full(capacity, taken) or await self._paced()
            if obstacle is not None:
                return min(obstacle.look_again, await self._tell(obstacle.waiting_for))
            taken += await self._take(seen, trunk_id)
        return 0.0 if len(queue) == _ROUND else POLL

    async def _survey(self) -> tuple[str | None, Capacity, Obstacle | None]:
        """Look at what all calls need alike."""
        nothing = Capacity(0, 0, 0, 0)
        rest = self._joining.media_rest()
        if rest > 0:
            return None, nothing, Obstacle(WaitingFor.MEDIA_SERVER, rest)
        try:
            trunk_id = await self._with.trunk.current()
            async with self._with.database.reading() as connection:
                capacity = await measure(connection, self._with.presence)
        except Unavailable as error:
            if error.code == "database_unavailable":
                raise
            return None, nothing, Obstacle(WaitingFor.MEDIA_SERVER)
        if trunk_id is None:
            return None, capacity, Obstacle(WaitingFor.TRUNK)
        if capacity.workers == 0:
            return trunk_id, capacity, Obstacle(WaitingFor.WORKER)
        return trunk_id, capacity, None

    def _full(self, capacity: Capacity, taken: int) -> Obstacle | None:
        joining = capacity.unassigned + taken
        if capacity.free - taken <= 0 or joining >= self._with.rules.joining_at_once:
            return Obstacle(WaitingFor.CAPACITY)
        return None

    async def _paced(self) -> Obstacle | None:
        delay = await self._pacer.take(OUTBOUND, Pace.of(self._with.rules.cps))
        return Obstacle(WaitingFor.PACING, delay) if delay > 0 else None

    async def _tell(self, waiting_for: WaitingFor) -> float:
        """Tell the queue what it waits for; gives the seconds until who comes now is told."""
        now = self._with.now()
        since = now - self._told_at
        if waiting_for is self._told and timedelta(0) <= since < _TELL_EVERY:
            return (_TELL_EVERY - since).total_seconds()
        told = await tell_all(self._with.database, waiting_for, now=now)
        self._told, self._told_at = waiting_for, now
        # Who watches one of a long queue looks by himself within a second.
        for tenant_id, call_id in told[:_ROUND]:
            await self._with.signals.call_changed(tenant_id, call_id)
        return _TELL_EVERY.total_seconds()

    async def _take(self, seen: Row[Any], trunk_id: str | None) -> bool:
        async with self._with.database.transaction() as tx:
            taken = await claims.claim(
                tx,
                seen,
                room=room_name(self._with.rules.deployment, seen.attempt_id),
                owner=self._with.owner,
                lease=self._with.rules.lease,
                now=self._with.now(),
            )
        if taken is None:
            return False
        passing(Failpoint.CLAIM_AFTER_COMMIT)
        await self._with.signals.call_changed(seen.tenant_id, seen.call_id)
        self._joining.open(*taken, trunk_id)
        return True
