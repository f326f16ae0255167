"""Bring waiting calls to workers: one loop, safe to run in several processes.

A call leaves the queue when the trunk is there, a worker has room and the trunk's pace allows it;
until then it waits and says for what. Nothing here dials: an agent is asked into the attempt's own
room, and asks for the permit itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from dialer.calls import claims, queue
from dialer.calls.briefing import room_name
from dialer.calls.joining import Collaborators, Joining
from dialer.calls.looping import keep_going
from dialer.calls.pacing import Pacer
from dialer.calls.waiting import tell_all, tell_some
from dialer.failpoints import Failpoint, passing
from dialer.livekits.livekit import LiveKit
from dialer.routing.trunk import Line
from dialer.routing.watch import Watch
from dialer.routing.ways import POLL, Obstacle, Ways, wish_of
from dialer.workers.capacity import measure
from dialer.workers.presence import Capacity
from telephony.call import WaitingFor
from telephony.errors import Unavailable

#: Units: seconds. What is between two rounds at least while something holds up every call.
_LULL = 0.05
#: Units: seconds. By how much a call may leave the queue before its trunk's pace has it leave: more
#: than a round takes, so that no pace is lost to it. Its INVITE waits for its own turn.
_AHEAD = 0.25
#: While nothing changes, those that come later are told what they wait for together, and so often.
_TELL_EVERY = timedelta(seconds=1)
#: How many of the queue are looked at in one reading, and in one round.
_PAGE = 50
_PAGES = 20


@dataclass(slots=True)
class Held:
    """The calls that a round passed by, since no trunk could carry them just now."""

    by: dict[WaitingFor, list[Row[Any]]] = field(default_factory=dict[WaitingFor, list[Row[Any]]])
    look_again: float = POLL
    count: int = 0

    def add(self, seen: Row[Any], obstacle: Obstacle) -> None:
        """Pass a call by."""
        self.by.setdefault(obstacle.waiting_for, []).append(seen)
        self.look_again = min(self.look_again, obstacle.look_again)
        self.count += 1


class Dispatcher:
    """The loop from the queue to the workers."""

    def __init__(self, given: Collaborators, *, pacer: Pacer) -> None:
        self._with = given
        self._pacer = pacer
        self._joining = Joining(given)
        self._watch = Watch(now=given.now)
        self._rests_until = float("-inf")
        self._told: WaitingFor | None = None
        self._told_at = datetime.min.replace(tzinfo=UTC)
        self._told_held: dict[str, WaitingFor] = {}

    async def run(self) -> None:
        """Dispatch until cancelled."""
        try:
            await keep_going("dispatch", self.step, self._wait)
        finally:
            await self._joining.stop()

    async def _wait(self, pause: float) -> None:
        loop = asyncio.get_running_loop()
        # Where calls cannot leave, those that come within a moment are told so together.
        until = min(self._rests_until, loop.time() + max(pause, _LULL))
        await self._with.signals.wait_work(pause)
        if (rest := until - loop.time()) > 0:
            await asyncio.sleep(rest)

    def _rest(self, at_least: float = 0.0) -> None:
        """Let nothing bring the next round on before its time: no call could leave in it."""
        self._rests_until = asyncio.get_running_loop().time() + max(at_least, _LULL)

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
            if not await queue.any_waits(connection, now=self._with.now()):
                return POLL
        # For the whole round: whatever leaves in it is dialled from there, or waits.
        livekit = self._with.livekits.current
        lines, capacity, obstacle = await self._survey(livekit)
        obstacle = obstacle or self._full(capacity, lines, 0)
        if obstacle is not None:
            # Whose turn it would be takes a look at the whole queue, and nobody's turn it is.
            self._rest()
            return await self._hold_all(obstacle)
        async with self._with.database.reading() as connection:
            standing = await self._watch.standing(connection, lines)
        ways = Ways(lines, standing, self._pacer, ahead=_AHEAD)
        try:
            return await self._let_leave(ways, capacity, livekit)
        finally:
            await ways.give_back()

    async def _let_leave(self, ways: Ways, capacity: Capacity, livekit: LiveKit) -> float:
        held, taken = Held(), 0
        async for seen in self._queue(held):
            if (obstacle := self._full(capacity, ways.lines, taken)) is not None:
                return await self._hold_all(obstacle)
            way = await self._leave(seen, ways, livekit)
            if not isinstance(way, Obstacle):
                taken += way
                continue
            held.add(seen, way)
            if ways.none_left:
                if len(ways.lines) == 1:
                    self._rest(ways.paced_for)
                    return await self._hold_all(*ways.closed.values())
                break
        if held.count:
            self._rest(ways.paced_for if ways.none_left else 0.0)
            await self._tell_held(held)
        return held.look_again

    async def _queue(self, held: Held) -> AsyncGenerator[Row[Any]]:
        """Give the calls that may leave, page by page: those behind a held one may be luckier."""
        for _ in range(_PAGES):
            async with self._with.database.reading() as connection:
                page = await queue.waiting(
                    connection, limit=_PAGE, now=self._with.now(), skip=held.count
                )
            for seen in page:
                yield seen
            if len(page) < _PAGE:
                return
        # More than one round looks at: the next one begins at once, with what is at the head now.
        held.look_again = 0.0 if not held.count else held.look_again

    async def _leave(self, seen: Row[Any], ways: Ways, livekit: LiveKit) -> bool | Obstacle:
        """Let a call leave by the best trunk; False when somebody else was faster."""
        while True:
            way = await ways.find(wish_of(seen))
            if isinstance(way, Obstacle):
                return way
            try:
                taken = await self._take(seen, way, livekit)
            except claims.TrunkFull:
                # Another process took its last slot since we looked.
                ways.full(way.trunk.name)
            else:
                if not taken:
                    ways.unused(way.trunk.name)
                return taken
            await self._pacer.give_back(way.trunk.name)

    async def _survey(
        self, livekit: LiveKit
    ) -> tuple[Mapping[str, Line], Capacity, Obstacle | None]:
        """Look at what all calls need alike."""
        nothing = Capacity(0, 0, 0, 0)
        rest = self._joining.media_rest(livekit)
        if rest > 0:
            return {}, nothing, Obstacle(WaitingFor.MEDIA_SERVER, rest)
        try:
            lines = await livekit.trunks.current()
            async with self._with.database.reading() as connection:
                capacity = await measure(connection, livekit.presence)
        except Unavailable as error:
            if error.code == "database_unavailable":
                raise
            return {}, nothing, Obstacle(WaitingFor.MEDIA_SERVER)
        if not lines:
            return lines, capacity, Obstacle(WaitingFor.TRUNK)
        if capacity.workers == 0:
            return lines, capacity, Obstacle(WaitingFor.WORKER)
        return lines, capacity, None

    def _full(self, capacity: Capacity, lines: Mapping[str, Line], taken: int) -> Obstacle | None:
        cps = sum(line.trunk.cps for line in lines.values() if line.trunk.enabled)
        at_once = self._with.rules.at_once(cps=cps, seats=capacity.total)
        if capacity.free - taken <= 0 or capacity.unassigned + taken >= at_once:
            return Obstacle(WaitingFor.CAPACITY)
        return None

    async def _hold_all(self, obstacle: Obstacle) -> float:
        """Tell the whole queue what it waits for; gives the seconds until it is worth a look."""
        self._told_held = {}
        return min(obstacle.look_again, await self._tell(obstacle.waiting_for))

    async def _tell(self, waiting_for: WaitingFor) -> float:
        """Tell the queue what it waits for; gives the seconds until who comes now is told."""
        now = self._with.now()
        since = now - self._told_at
        if waiting_for is self._told and timedelta(0) <= since < _TELL_EVERY:
            return (_TELL_EVERY - since).total_seconds()
        told = await tell_all(self._with.database, waiting_for, now=now)
        self._told, self._told_at = waiting_for, now
        # Who watches one of a long queue looks by himself within a second.
        for tenant_id, call_id in told[:_PAGE]:
            await self._with.signals.call_changed(tenant_id, call_id)
        return _TELL_EVERY.total_seconds()

    async def _tell_held(self, held: Held) -> None:
        """Tell each call that was passed by what it waits for, once for each change."""
        self._told = None
        told_now: dict[str, WaitingFor] = {}
        for waiting_for, calls in held.by.items():
            told_now |= {seen.call_id: waiting_for for seen in calls}
            news = [
                (seen.tenant_id, seen.call_id)
                for seen in calls
                if self._told_held.get(seen.call_id) is not waiting_for
            ]
            now = self._with.now()
            for told in await tell_some(self._with.database, waiting_for, news, now=now):
                await self._with.signals.call_changed(*told)
        self._told_held = told_now

    async def _take(self, seen: Row[Any], line: Line, livekit: LiveKit) -> bool:
        async with self._with.database.transaction() as tx:
            taken = await claims.claim(
                tx,
                seen,
                trunk=line.trunk,
                room=room_name(livekit.realm.deployment, seen.attempt_id),
                owner=self._with.owner,
                lease=self._with.rules.lease,
                now=self._with.now(),
            )
        if taken is None:
            return False
        passing(Failpoint.CLAIM_AFTER_COMMIT)
        await self._with.signals.call_changed(seen.tenant_id, seen.call_id)
        self._joining.open(*taken, line.trunk.name)
        return True
