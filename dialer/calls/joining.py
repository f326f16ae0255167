"""From a claim to an agent in the room: make the room, ask for an agent, and notice who never came.

A dispatch on a self-hosted LiveKit is fire and forget: when no worker takes it, nobody says so. So
every claim has a deadline, and a dispatch that nobody answered is repeated once.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row

from dialer.adapters.database import Database
from dialer.admission.agents import Agents
from dialer.calls import claims
from dialer.calls.briefing import dial_request
from dialer.calls.claims import Claim
from dialer.calls.returning import times_returned
from dialer.calls.rooms import Dispatch, Rooms
from dialer.calls.signals import Signals
from dialer.failpoints import Failpoint, passing
from dialer.livekits.choice import LiveKits
from dialer.livekits.livekit import LiveKit
from dialer.routing.choose import Wish, fitting
from dialer.routing.trunk import Line
from dialer.tenants.tokens import Tokens
from dialer.workers.capacity import count
from telephony.call import AttemptState, CallType, EndedReason, WaitingFor
from telephony.errors import TelephonyError, Unavailable
from telephony.events import EventType
from telephony.worker_contract import Job, LiveKitName

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds.
_LONGEST_BACKOFF = 5.0
#: An attempt that lost its agents this often before any of them dialled is not tried again.
_MOST_AGENTS = 3
#: How often a call whose dispatches got lost among busy workers waits again.
_MOST_REQUEUES = 5
#: Units: seconds. More than an agent takes into its room where it is not held up, by far.
_JOINS_WITHIN = 0.5
#: Which part of all seats may be filled at the same moment: what carries many calls starts more.
_STARTING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the dispatcher behaves.

    Shape: ``joining_at_once`` agents may be on their way into a room together, and ``at_once``
    tells where there may be more; starting many makes each slow on a small machine, and late ones
    are taken for lost.
    ``ready_timeout`` is how long an agent that joined may take to ask for the permit.
    ``lease`` outlasts the slowest making of a room; a claim that it ends is taken over.
    """

    agent_name: str
    join_timeout: timedelta = timedelta(seconds=3)
    joining_at_once: int = 4
    lease: timedelta = timedelta(seconds=25)
    ready_timeout: timedelta = timedelta(seconds=30)

    def at_once(self, *, cps: float, seats: int) -> int:
        """Tell how many agents may be on their way together.

        Units: ``cps`` is what all trunks take in a second, ``seats`` what all workers carry.
        Shape: as many as leave while one joins, or fewer would leave than the trunks take; but of
        these no more than a third of the seats, which tell how large the machines are.
        """
        return max(self.joining_at_once, min(math.ceil(cps * _JOINS_WITHIN), seats // _STARTING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Collaborators:
    """What the dispatcher and its joining work with; ``owner`` names this process in leases.

    Shape: ``rooms`` are those of all ``livekits``.
    """

    database: Database
    rooms: Rooms
    signals: Signals
    livekits: LiveKits
    agents: Agents
    tokens: Tokens
    rules: Rules
    owner: str
    now: Callable[[], datetime]


class Joining:
    """Looks after every claim until its agent is there."""

    def __init__(self, given: Collaborators) -> None:
        self._with = given
        self._opening: set[asyncio.Task[None]] = set()
        self._media_failures: dict[LiveKitName, int] = {}
        self._media_rest: dict[LiveKitName, datetime] = {}

    def media_rest(self, livekit: LiveKit) -> float:
        """Give the seconds for which a LiveKit is left in peace after it failed."""
        until = self._media_rest.get(livekit.name)
        return 0.0 if until is None else max(0.0, (until - self._with.now()).total_seconds())

    def open(self, mine: Claim, call: Row[Any], trunk: str | None) -> None:
        """Make the claim's room, beside whoever asks; ``trunk`` names the one that it leaves by."""
        self._start(self._open(mine, call, trunk))

    async def settled(self) -> None:
        """Wait until every room that is being opened is open, or has failed."""
        while self._opening:
            await asyncio.gather(*self._opening)

    async def stop(self) -> None:
        """Leave the rooms that are being opened to another dispatcher."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its lease runs out, and some dispatcher takes it over.
            log.error("room not opened", exc_info=error)

    async def _open(self, mine: Claim, call: Row[Any], trunk: str | None) -> None:
        """Make the room and ask for its agent."""
        try:
            dispatch = await self._brief(mine, call, trunk)
            if dispatch is None:
                return
            if mine.fence > 1:
                # A claim before this one may have left a room with its own dispatch.
                async with self._with.database.reading() as connection:
                    if not await claims.held(connection, mine):
                        return
                await self._with.rooms.delete(mine.room)
            passing(Failpoint.ROOM_BEFORE_CREATE)
            await self._room_and_agent(mine.room, dispatch)
            passing(Failpoint.ROOM_AFTER_CREATE)
        except Unavailable:
            self._rest_from_media_server(mine.room)
            if call.call_type == CallType.VOIP.value:
                # Its browser was never told of a room, and nobody takes a voip call from the queue.
                await self._end(
                    mine,
                    EndedReason.MEDIA_SERVER_LOST,
                    "no room could be made",
                    despite_agent=True,
                )
            else:
                await self._return(mine, WaitingFor.MEDIA_SERVER)
            return
        where = self._with.livekits.of(mine.room).name
        self._media_failures.pop(where, None)
        self._media_rest.pop(where, None)
        async with self._with.database.transaction() as tx:
            still_mine = await claims.opened(tx, mine, now=self._with.now())
        if not still_mine:
            await self._leave_room(mine)

    async def _room_and_agent(self, room: str, dispatch: Dispatch) -> None:
        if not self._with.livekits.of(room).jobs.somebody_waits:
            await self._with.rooms.create(room, dispatch)
            return
        await self._with.rooms.create(room, None)
        await self._agent(room, dispatch)

    async def _agent(self, room: str, dispatch: Dispatch) -> None:
        """Ask for an agent into a room that is there.

        Shape: who was given a job and did not come stands in no line any more, so that the next one
        to be given it is another.
        """
        jobs = self._with.livekits.of(room).jobs
        if not jobs.give(Job(room=room, metadata=dispatch.metadata)):
            await self._with.rooms.redispatch(room, dispatch)

    async def _brief(self, mine: Claim, call: Row[Any], trunk: str | None) -> Dispatch | None:
        row: Any = call
        line, others = None, False
        if call.call_type == CallType.SIP.value:
            lines = await self._with.livekits.of(mine.room).trunks.current()
            line = lines.get(trunk or "")
            if line is None:
                # It was taken away since the call was claimed for it.
                await self._return(mine, WaitingFor.TRUNK, despite_agent=True)
                return None
            others = await self._others(mine, row, lines, line.trunk.name)
        try:
            request = dial_request(
                dict(row._mapping),
                attempt_id=mine.attempt_id,
                fence=mine.fence,
                trunk_id=line.id if line else None,
                other_trunks=others,
                agents=self._with.agents,
                tokens=self._with.tokens,
            )
        except TelephonyError as error:
            # The agents file changed since the call was taken.
            await self._end(
                mine, EndedReason.AGENT_ERROR, f"the agent cannot be briefed: {error.code}"
            )
            return None
        return Dispatch(self._with.rules.agent_name, request.to_metadata())

    async def _others(self, mine: Claim, call: Any, lines: Mapping[str, Line], trunk: str) -> bool:
        """Tell whether another trunk can carry the call, should this one refuse it."""
        if len(lines) == 1:
            return False
        async with self._with.database.reading() as connection:
            refused_by = await claims.refused_by(connection, mine)
        given = call.caller_id if call.caller_id_given else None
        wish = Wish(call.phone_number, given, {*refused_by, trunk})
        return bool(fitting((line.trunk for line in lines.values()), wish))

    def _rest_from_media_server(self, room: str) -> None:
        where = self._with.livekits.of(room).name
        self._media_failures[where] = failures = self._media_failures.get(where, 0) + 1
        rest = min(0.25 * 2 ** min(failures, 8), _LONGEST_BACKOFF) * random.uniform(0.5, 1.0)
        self._media_rest[where] = self._with.now() + timedelta(seconds=rest)

    async def look_after(self, *, at_most: float) -> float:
        """Deal with every claim whose time is up; gives the seconds to the next one's."""
        async with self._with.database.reading() as connection:
            claimed = await claims.open_attempts(connection, AttemptState.CLAIMED)
        soonest = at_most
        for seen in claimed:
            left = self._patience_left(seen)
            if left is None:
                continue
            if left > 0:
                soonest = min(soonest, left)
            else:
                await self._nobody_came(seen)
        return soonest

    def _patience_left(self, seen: Row[Any]) -> float | None:
        """Give the seconds that a claim still has; None when somebody else watches it."""
        if seen.agent_joined_at is not None:
            if seen.call_type == CallType.VOIP.value:
                return None  # its agent waits for the browser; the reaper bounds that
            deadline = seen.agent_joined_at + self._with.rules.ready_timeout
        elif seen.dispatched_at is None:
            deadline = seen.lease_expires_at or seen.claimed_at
        else:
            deadline = seen.dispatched_at + self._with.rules.join_timeout
        return (deadline - self._with.now()).total_seconds()

    async def _nobody_came(self, seen: Row[Any]) -> None:
        if seen.agent_joined_at is not None:
            await self.agent_lost(seen)
        elif seen.dispatched_at is None or seen.dispatches < 2:
            await self._again(seen)
        else:
            await self._no_agent(seen)

    async def _again(self, seen: Row[Any]) -> None:
        async with self._with.database.transaction() as tx:
            taken = await claims.dispatch_again(
                tx, seen, owner=self._with.owner, lease=self._with.rules.lease, now=self._with.now()
            )
        if taken is None:
            return
        mine, call = taken
        log.warning("dispatched again", attempt_id=mine.attempt_id)
        try:
            if seen.dispatched_at is None:
                self._start(self._open(mine, call, seen.trunk))
                return
            dispatch = await self._brief(mine, call, seen.trunk)
            if dispatch is not None:
                if self._with.livekits.of(mine.room).jobs.somebody_waits:
                    # A livekit-server that is stopped takes along the rooms that nobody joined;
                    # asking LiveKit for an agent makes such a room anew, giving a job does not.
                    await self._with.rooms.create(mine.room, None)
                await self._agent(mine.room, dispatch)
        except Unavailable:
            self._rest_from_media_server(mine.room)
            if seen.call_type == CallType.SIP.value:
                await self._return(mine, WaitingFor.MEDIA_SERVER)

    async def _no_agent(self, seen: Row[Any]) -> None:
        """End what two dispatches brought no agent for, unless there was nobody to come.

        LiveKit drops a dispatch without a word when its workers are nearly full, so that among busy
        workers two lost dispatches tell nothing; the call waits again, a bounded number of times.
        The same where all workers died at once, and those that are there came after the dispatch.
        """
        mine = Claim.of(seen)
        async with self._with.database.reading() as connection:
            presence = self._with.livekits.of(mine.room).presence
            workers = await presence.live()
            capacity = await count(connection, workers)
            requeued = await claims.times_seen(connection, mine, EventType.CALL_REQUEUED)
            requeued -= await times_returned(connection, mine)
        # This very attempt is one of the unassigned.
        busy = capacity.spare < capacity.total or capacity.unassigned > 1
        able = [worker for worker in workers if worker.takes_calls]
        new = all(worker.came_after(seen.dispatched_at) for worker in able)
        no_seat = capacity.spare <= 0 or ((busy or new) and requeued < _MOST_REQUEUES)
        if not no_seat or seen.call_type == CallType.VOIP.value:
            await self._end(mine, EndedReason.NO_AGENT, "no agent came, asked for twice")
            return
        await self._return(mine, WaitingFor.CAPACITY if capacity.workers else WaitingFor.WORKER)

    async def agent_lost(self, seen: Row[Any]) -> None:
        """Give back an attempt whose agent is gone, or stuck, before it asked for the permit."""
        mine = Claim.of(seen)
        async with self._with.database.reading() as connection:
            joined = await claims.times_seen(connection, mine, EventType.CALL_AGENT_JOINED)
            # An agent that met no bridge was not lost.
            tried = joined - await times_returned(connection, mine)
        if tried >= _MOST_AGENTS or seen.call_type == CallType.VOIP.value:
            await self._end(
                mine, EndedReason.NO_AGENT, "the agents that came were lost", despite_agent=True
            )
            return
        await self._return(mine, WaitingFor.WORKER, despite_agent=True)

    async def _return(
        self, mine: Claim, waiting_for: WaitingFor, *, despite_agent: bool = False
    ) -> None:
        async with self._with.database.transaction() as tx:
            returned = await claims.put_back(
                tx, mine, waiting_for=waiting_for, now=self._with.now(), despite_agent=despite_agent
            )
        if returned:
            log.warning(
                "call back in the queue", attempt_id=mine.attempt_id, waiting_for=waiting_for
            )
            await self._changed(mine)

    async def _end(
        self, mine: Claim, reason: EndedReason, message: str, *, despite_agent: bool = False
    ) -> None:
        async with self._with.database.transaction() as tx:
            ended = await claims.give_up(
                tx, mine, reason, message, now=self._with.now(), despite_agent=despite_agent
            )
        if ended:
            log.warning("call ended undialled", attempt_id=mine.attempt_id, reason=reason)
            await self._changed(mine)

    async def _changed(self, mine: Claim) -> None:
        await self._with.signals.call_changed(mine.tenant_id, mine.call_id)
        await self._leave_room(mine)

    async def _leave_room(self, mine: Claim) -> None:
        """Delete the room of a claim that is over, unless somebody claimed its attempt again.

        The name is the attempt's, so that a newer claim has a room of the same name.
        """
        async with self._with.database.reading() as connection:
            nobodys = await claims.unclaimed(connection, mine)
        if not nobodys:
            return
        try:
            await self._with.rooms.delete(mine.room, if_listed=True)
        except Unavailable:
            log.info("room left to the reaper", room=mine.room)
