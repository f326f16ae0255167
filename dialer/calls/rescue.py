"""Find another agent for a call that lost its own, before the other side hangs up.

That is an answered call, or one that came in and rings while its agent gets ready.

LiveKit keeps a participant whose process was killed for some twenty seconds, which is too long for
somebody who listens to silence. So the workers' presence is believed first: a worker that is silent
for ``PRESENCE_SILENT``, or that no longer holds the call, has lost it. A call is never ended for
that alone: where no other worker is heard either, it may be us who are deaf.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import Row

from dialer.adapters.database import Database
from dialer.admission.agents import Agents
from dialer.calls import claims, takeover
from dialer.calls.aside import Aside
from dialer.calls.briefing import dial_request
from dialer.calls.claims import Claim
from dialer.calls.looping import keep_going
from dialer.calls.rooms import Dispatch, ParticipantKind, RoomMember, Rooms
from dialer.calls.signals import Signals
from dialer.calls.suspicion import Suspicions
from dialer.calls.takeover import Takeover
from dialer.livekits.livekit import Realm
from dialer.tenants.tokens import Tokens
from dialer.workers.presence import LiveWorker, Presence
from telephony.call import AttemptState, Direction, EndedReason
from telephony.errors import TelephonyError, Unavailable
from telephony.events import OverflowWhy
from telephony.worker_contract import BROWSER_IDENTITY, PRESENCE_SILENT

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

SILENT = "worker_silent"
NOT_HELD = "call_not_held"
STUCK = "agent_stuck"
LEFT = "agent_left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Haste:
    """How long each step of a rescue may take; together they stay below ten seconds.

    Shape: ``not_held`` is how long a worker must do without a call that is its own, ``seat`` how
    long a free seat is waited for, ``starts`` a worker that is starting, ``joins`` how long an
    agent may take to join, ``speaks`` from then until it speaks, and ``answers`` until it answers a
    caller who still hears ringing. ``forget_after`` is a gap between two looks that makes us deaf.
    """

    look_every: timedelta = timedelta(seconds=0.5)
    silent: timedelta = PRESENCE_SILENT
    not_held: timedelta = timedelta(seconds=1.5)
    left: timedelta = timedelta(seconds=1.5)
    seat: timedelta = timedelta(seconds=4)
    starts: timedelta = timedelta(seconds=10)
    joins: timedelta = timedelta(seconds=4)
    speaks: timedelta = timedelta(seconds=8)
    answers: timedelta = timedelta(seconds=18)
    forget_after: timedelta = timedelta(seconds=3)


class Elsewhere(Protocol):
    """Takes a caller for whom there is no agent; says whether it has the call now."""

    async def __call__(self, of: Claim, why: OverflowWhy, *, dial: bool = True) -> bool:
        """Take the caller; without ``dial`` nobody is rung."""
        ...


class Rescuer:
    """The loop that looks after the agents of answered calls, those at one LiveKit.

    Shape: ``presence`` knows the workers that are there.
    """

    def __init__(
        self,
        *,
        database: Database,
        rooms: Rooms,
        realm: Realm,
        signals: Signals,
        presence: Presence,
        agents: Agents,
        tokens: Tokens,
        agent_name: str,
        now: Callable[[], datetime],
        haste: Haste | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._realm = realm
        self._signals = signals
        self._presence = presence
        self._agents = agents
        self._tokens = tokens
        self._agent_name = agent_name
        self._now = now
        self._haste = haste or Haste()
        self._elsewhere = elsewhere
        self._suspicions = Suspicions(forget_after=self._haste.forget_after)
        self._heard: dict[str, datetime] = {}
        self._looking_since: datetime | None = None
        self._looked: datetime | None = None
        self._left: set[tuple[str, int]] = set()
        #: By attempt: with which fence a rescue was asked for, and how.
        self._asked: dict[str, tuple[int, Dispatch]] = {}
        #: By attempt and fence: the callers who wait for their turn elsewhere.
        self._leaving = Aside("rescue")

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            await keep_going("rescue", self.step, on_failure=self._forget)
        finally:
            await self._leaving.stop()

    async def settled(self) -> None:
        """Wait until nobody is on the way elsewhere any more."""
        await self._leaving.settled()

    def agent_left(self, seen: Row[Any]) -> None:
        """Take the reaper's word that the callee is alone in the room."""
        self._left.add((seen.attempt_id, seen.fence))

    async def step(self) -> float:
        """Look once; gives the seconds to the next look."""
        now = self._now()
        if self._looked is None or now - self._looked > self._haste.forget_after:
            self._forget()
            self._looking_since = now
        self._looked = now
        self._suspicions.begin(now)
        left, self._left = self._left, set()
        async with self._database.reading() as connection:
            found = await claims.open_attempts(
                connection, AttemptState.ANSWERED, AttemptState.RINGING
            )
        answered = [
            seen
            for seen in found
            if claims.has_an_agent(seen) and self._realm.holds(seen.room or "")
        ]
        workers = {one.worker_id: one for one in await self._presence.live()} if answered else {}
        self._heard |= {name: worker.seen_at for name, worker in workers.items()}
        for seen in answered:
            if seen.hangup_requested_at is None and seen.room:
                await self._look_at(seen, workers, (seen.attempt_id, seen.fence) in left)
        self._suspicions.finish()
        still = {seen.attempt_id for seen in answered}
        self._asked = {one: asked for one, asked in self._asked.items() if one in still}
        return self._haste.look_every.total_seconds()

    def _forget(self) -> None:
        self._heard = {}
        self._suspicions.clear()
        self._looking_since = self._looked = None

    async def _look_at(self, seen: Row[Any], workers: dict[str, LiveWorker], left: bool) -> None:
        if seen.agent_ready_at is None and await self._under_way(seen):
            await self._ask_once_more(seen, workers)
            return
        why = LEFT if left else self._why(seen, workers.get(seen.worker_id))
        if why is None:
            return
        since = self._suspicions.since("agent lost", seen.attempt_id, seen.fence)
        others = self._able(workers)
        if not await self._leg_waits(seen):
            return
        if any(_has_seat(worker) for worker in others):
            await self._rescue(seen, why)
        elif self._now() - since >= self._patience(workers) and (others or why != SILENT):
            reason = EndedReason.AGENT_ERROR if why == STUCK else EndedReason.LOST
            await self._nobody_left(seen, reason, "its agent was lost and no other was free")

    def _patience(self, workers: dict[str, LiveWorker]) -> timedelta:
        """Say how long a seat is waited for: longer where a worker is about to be ready."""
        starting = any(
            not worker.presence.registered and not worker.presence.draining
            for name, worker in workers.items()
            if self._silence(name) < self._haste.silent
        )
        return self._haste.starts if starting else self._haste.seat

    def _why(self, seen: Row[Any], worker: LiveWorker | None) -> str | None:
        """Say why the call's agent must be lost; None where nothing says so."""
        if seen.worker_id is None:
            return None
        silent = ("silent", seen.attempt_id, seen.fence)
        if self._silence(seen.worker_id) >= self._haste.silent:
            self._suspicions.since(*silent)
            return SILENT
        if worker is None:
            return None
        if seen.attempt_id in worker.presence.stuck:
            return STUCK
        if worker.presence.holds is None or seen.attempt_id in worker.presence.holds:
            return None
        if self._suspicions.stands(*silent):
            # Started again, it will not remember: nothing is to be waited for.
            self._suspicions.since(*silent)
            return NOT_HELD
        since = self._suspicions.since("not held", seen.attempt_id, seen.fence)
        return NOT_HELD if self._now() - since >= self._haste.not_held else None

    def _silence(self, worker_id: str) -> timedelta:
        """Say how long we heard nothing of a worker, while we were listening."""
        assert self._looking_since is not None
        heard = self._heard.get(worker_id, self._looking_since)
        return self._now() - max(heard, self._looking_since)

    def _able(self, workers: dict[str, LiveWorker]) -> list[LiveWorker]:
        """List the workers that can be heard and take calls; one that came back is among them."""
        return [
            worker
            for name, worker in workers.items()
            if worker.takes_calls and self._silence(name) < self._haste.silent
        ]

    async def _leg_waits(self, seen: Row[Any]) -> bool:
        """Say whether somebody is on the line; where nobody is, the reaper finds out why."""
        members = await self._rooms.participants(seen.room)
        return any(_on_the_line(member, seen) for member in members)

    async def _rescue(self, seen: Row[Any], why: str) -> None:
        now = self._now()
        async with self._database.transaction() as tx:
            begun = await takeover.begin(tx, seen, why, now=now)
        if begun is None:
            async with self._database.reading() as connection:
                often = await takeover.rescues(connection, seen) >= takeover.MOST_RESCUES
            if often:
                await self._nobody_left(
                    seen, EndedReason.LOST, "its agents were lost, one after another"
                )
            return
        log.warning("agent lost", attempt_id=seen.attempt_id, why=why, rescue=begun.number)
        await self._signals.call_changed(seen.tenant_id, seen.call_id)
        try:
            await self._ask_another(begun, seen)
        except Unavailable:
            # Nobody will join; the deadline ends the call, or LiveKit's own end of it does.
            log.warning("rescue not dispatched", attempt_id=seen.attempt_id)

    async def _ask_another(self, begun: Takeover, seen: Row[Any]) -> None:
        mine = begun.mine
        row: Any = begun.call
        try:
            request = dial_request(
                dict(row._mapping),
                attempt_id=mine.attempt_id,
                fence=mine.fence,
                trunk_id=None,
                agents=self._agents,
                tokens=self._tokens,
                leg_identity=seen.leg_identity,
                announcement=seen.announcement,
                rescue=begun.rescue,
            )
        except Unavailable:
            raise
        except TelephonyError as error:
            message = f"the agent cannot be briefed: {error.code}"
            await self._give_up(mine, EndedReason.AGENT_ERROR, message)
            return
        # The lost one lingers in LiveKit's lists, and may come back to life in them.
        for member in await self._rooms.participants(mine.room):
            if member.kind is ParticipantKind.AGENT:
                await self._rooms.remove_participant(mine.room, member.identity)
        dispatch = Dispatch(self._agent_name, request.to_metadata())
        self._asked[mine.attempt_id] = (mine.fence, dispatch)
        await self._rooms.redispatch(mine.room, dispatch)

    async def _ask_once_more(self, seen: Row[Any], workers: dict[str, LiveWorker]) -> None:
        """Ask again where nobody took a rescue yet; one of those who are asked gets it.

        LiveKit gives a dispatch to a worker that stopped responding as well, and waits for it.
        """
        fence, dispatch = self._asked.get(seen.attempt_id, (None, None))
        if dispatch is None or fence != seen.fence or seen.worker_id is not None:
            return
        if any(_has_seat(worker) for worker in self._able(workers)):
            try:
                await self._rooms.ask_once_more(seen.room, dispatch)
            except Unavailable:
                log.warning("rescue not dispatched", attempt_id=seen.attempt_id)

    async def _under_way(self, seen: Row[Any]) -> bool:
        """Tell a rescue that goes on from a call whose agent is to be judged; end a late one."""
        async with self._database.reading() as connection:
            number = await takeover.rescues(connection, seen)
        if number == 0:
            return False
        if seen.agent_joined_at is None:
            late = self._now() - seen.dispatched_at >= self._haste.joins
        else:
            # Somebody who still hears ringing can wait for a greeting that must be made.
            if seen.answered_at is None:
                late = self._now() - seen.agent_joined_at >= self._haste.answers
            else:
                # Who answered a caller without being ready says sorry, and is let finish.
                began = max(seen.agent_joined_at, seen.answered_at)
                late = self._now() - began >= self._haste.speaks
        if late:
            message = "no agent took it over in time"
            await self._nobody_left(seen, EndedReason.LOST, message)
            return True
        # Whoever joined may be lost as well.
        return seen.agent_joined_at is None

    async def _nobody_left(self, seen: Row[Any], reason: EndedReason, message: str) -> None:
        """Give a caller to whoever takes those without an agent; end any other call."""
        mine, elsewhere = Claim.of(seen), self._elsewhere
        if elsewhere is None or seen.direction != Direction.INBOUND.value:
            await self._give_up(mine, reason, message)
            return
        closed, stuck = seen.announcement is not None, reason is EndedReason.AGENT_ERROR
        why = OverflowWhy.AGENT_ERROR if stuck else OverflowWhy.AGENT_LOST
        why = OverflowWhy.CLOSED if closed else why

        async def leave() -> None:
            if not await elsewhere(mine, why, dial=not closed):
                await self._give_up(mine, reason, message)

        # It may wait for a trunk's pace. An agent that has a seat meanwhile may still be faster.
        self._leaving.begin((mine.attempt_id, mine.fence), leave)

    async def _give_up(self, mine: Claim, reason: EndedReason, message: str) -> None:
        async with self._database.transaction() as tx:
            ended = await takeover.give_up(tx, mine, reason, message, now=self._now())
        if not ended:
            return
        log.warning("call without an agent ended", attempt_id=mine.attempt_id, reason=reason)
        await self._signals.call_changed(mine.tenant_id, mine.call_id)
        await self._signals.work_waiting()
        try:
            await self._rooms.delete(mine.room)
        except Unavailable:
            log.info("room left to the reaper", room=mine.room)


def _has_seat(worker: LiveWorker) -> bool:
    return worker.presence.live_calls < worker.presence.capacity


def _on_the_line(member: RoomMember, seen: Row[Any]) -> bool:
    if not member.is_leg or member.identity == BROWSER_IDENTITY:
        return member.is_leg
    inbound = seen.direction == Direction.INBOUND.value
    return member.sip_status == "active" or (inbound and member.sip_status == "ringing")
