"""End what nobody ended.

The third guard of every call, behind the bridge's limits and the job's timers. It acts on what it
sees itself and only on what it saw for a while: after its own start, or an outage of LiveKit or the
database, it knows nothing and looks first. LiveKit not answering is no knowledge: nothing is ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, select

from dialer.adapters.database import Database
from dialer.adapters.tables import events
from dialer.calls import claims
from dialer.calls.looping import keep_going
from dialer.calls.record import Fact, lock_call, record
from dialer.calls.rooms import ParticipantKind, RoomMember, Rooms, RoomState
from dialer.calls.signals import Signals
from dialer.calls.suspicion import Suspicions
from dialer.calls.sweep import Sweep
from dialer.livekits.livekit import Realm
from telephony.call import AttemptState, CallStatus, CallType, EndedReason
from telephony.errors import Unavailable
from telephony.events import EventType, Source

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_CLAIMED = AttemptState.CLAIMED.value
_ANSWERED = AttemptState.ANSWERED.value
#: Nobody is in the room, or there is no room any more: LiveKit closes an empty one, so that the
#: first turns into the second, and both are one clock.
_DESERTED = "deserted"
#: Units: seconds. The ringing at the overflow number, and what may come before and after it.
_LONGEST_OVERFLOW = 50
#: A worker that reported something so lately will report the rest.
_RECENT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each thing must be so before the reaper acts.

    Shape: ``settling`` is what a worker may take to put a call away and to report its end, which
    includes its longest pause between two tries; ``overdue`` what is granted beyond a call's own
    limits, after which nobody else ended it.
    """

    look_every: timedelta = timedelta(seconds=3)
    #: Between two looks, however many webhooks come.
    least_pause: timedelta = timedelta(seconds=0.5)
    ended_room: timedelta = timedelta(seconds=10)
    stray_room: timedelta = timedelta(seconds=30)
    settling: timedelta = timedelta(seconds=20)
    agent_gone: timedelta = timedelta(seconds=10)
    alone: timedelta = timedelta(seconds=1)
    overdue: timedelta = timedelta(seconds=10)
    hang_up: timedelta = timedelta(seconds=5)
    agent_gone_undialled: timedelta = timedelta(seconds=4)
    leg_gone: timedelta = timedelta(seconds=30)
    unreported_answer: timedelta = timedelta(seconds=4)
    #: A gap between two looks that makes what was seen before it worthless.
    forget_after: timedelta = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Scene:
    """One attempt and what LiveKit says of its room."""

    seen: Row[Any]
    served: bool
    listed: bool
    members: tuple[RoomMember, ...]

    @property
    def leg(self) -> RoomMember | None:
        """Give the other side: the phone or the browser."""
        return next((member for member in self.members if member.is_leg), None)

    @property
    def has_agent(self) -> bool:
        """Whether an agent is in the room."""
        return any(member.kind is ParticipantKind.AGENT for member in self.members)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, since when it must have been so, and how the call then ends."""

    what: str
    grace: timedelta
    reason: EndedReason
    message: str


class Reaper:
    """The loop that looks after calls and rooms, those of one LiveKit."""

    def __init__(
        self,
        *,
        database: Database,
        rooms: Rooms,
        signals: Signals,
        realm: Realm,
        agent_lost: Callable[[Row[Any]], Awaitable[None]],
        agent_left: Callable[[Row[Any]], None] = lambda _: None,
        unowned: Callable[[RoomState], Awaitable[None]] | None = None,
        now: Callable[[], datetime],
        patience: Patience | None = None,
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._signals = signals
        self._realm = realm
        self._agent_lost = agent_lost
        self._agent_left = agent_left
        self._now = now
        self._patience = patience or Patience()
        self._suspicions = Suspicions(forget_after=self._patience.forget_after)
        self._sweep = Sweep(
            database=database,
            rooms=rooms,
            realm=realm,
            suspicions=self._suspicions,
            ended_room=self._patience.ended_room,
            stray_room=self._patience.stray_room,
            unowned=unowned,
            now=now,
        )

    async def run(self) -> None:
        """Look until cancelled; a webhook about a room of ours makes it look at once."""
        await keep_going("reap", self.step, self._wait, on_failure=self._suspicions.clear)

    async def _wait(self, pause: float) -> None:
        # A burst of webhooks is one reason to look, not many.
        least = self._patience.least_pause.total_seconds()
        await asyncio.sleep(least)
        await self._signals.wait_rooms(pause - least)

    async def step(self) -> float:
        """Look once; gives the seconds to the next look."""
        self._suspicions.begin(self._now())
        listed = {room.name: room for room in await self._rooms.list(self._realm.prefix)}
        async with self._database.reading() as connection:
            running = await claims.open_attempts(
                connection,
                AttemptState.CLAIMED,
                AttemptState.SENT,
                AttemptState.RINGING,
                AttemptState.ANSWERED,
            )
        for scene in await self._scenes(running, listed):
            await self._judge(scene)
        await self._sweep.look(listed)
        self._suspicions.finish()
        return self._patience.look_every.total_seconds()

    async def _scenes(self, running: list[Row[Any]], listed: dict[str, RoomState]) -> list[Scene]:
        at_once = asyncio.Semaphore(16)

        async def scene(seen: Row[Any]) -> Scene:
            async with at_once:
                served = await self._rooms.served(seen.room)
                members = await self._rooms.participants(seen.room) if served else []
                return Scene(seen, served, seen.room in listed, tuple(members))

        # A claim without an agent is the dispatcher's: its room may not be made yet.
        looked_after = [
            seen
            for seen in running
            if seen.room
            and self._realm.holds(seen.room)
            and (_dialled(seen) or seen.agent_joined_at)
        ]
        return list(await asyncio.gather(*(scene(seen) for seen in looked_after)))

    async def _judge(self, scene: Scene) -> None:
        seen = scene.seen
        if self._undialled_and_left(scene):
            await self._agent_lost(seen)
            return
        if self._answered_unreported(scene):
            await self._record_answer(seen)
            return
        for verdict in self._verdicts(scene):
            since = self._suspicions.since(verdict.what, seen.attempt_id, seen.fence)
            if self._now() - since < verdict.grace:
                continue
            if verdict.reason in _FATE_UNKNOWN and await self._still_reporting(seen):
                continue
            await self._end(seen, verdict)
            return

    def _undialled_and_left(self, scene: Scene) -> bool:
        if scene.seen.state != _CLAIMED or scene.seen.hangup_requested_at is not None:
            return False
        if scene.has_agent or (scene.served and not scene.listed):
            return False
        since = self._suspicions.since("agent gone", scene.seen.attempt_id, scene.seen.fence)
        return self._now() - since >= self._patience.agent_gone_undialled

    def _answered_unreported(self, scene: Scene) -> bool:
        leg = scene.leg
        if scene.seen.overflowed_at is not None:
            return False  # answered to hear a second phone ring
        if leg is None or leg.sip_status != "active" or scene.seen.state in (_CLAIMED, _ANSWERED):
            return False
        since = self._suspicions.since("unreported answer", scene.seen.attempt_id)
        return self._now() - since >= self._patience.unreported_answer

    def _verdicts(self, scene: Scene) -> list[Verdict]:
        """List what is wrong with a call, the most certain first."""
        seen, patience = scene.seen, self._patience
        found: list[Verdict] = []

        def wrong(what: str, grace: timedelta, reason: EndedReason, message: str) -> None:
            found.append(Verdict(what, grace, reason, message))

        if seen.hangup_requested_at is not None:
            wrong(
                "hang-up", patience.hang_up, EndedReason.API_HANGUP, "the hang-up was carried out"
            )
        if not scene.served:
            reason = EndedReason.MEDIA_SERVER_LOST if scene.listed else EndedReason.LOST
            wrong(_DESERTED, patience.settling, reason, "its room is gone")
        elif scene.listed and _dialled(seen):
            found.extend(self._left_behind(scene))
        found.extend(self._overdue(scene))
        return found

    def _left_behind(self, scene: Scene) -> list[Verdict]:
        """Judge a dialled call by who is missing in its room.

        A callee who is alone is the rescuer's first; the verdict is for where there is none. Whom
        the dialer itself has needs no agent: see dialer/inbound/overflow.py.
        """
        if scene.seen.overflowed_at is not None:
            return []
        settling, lost = self._patience.settling, EndedReason.LOST
        if scene.leg is not None and not scene.has_agent:
            if claims.has_an_agent(scene.seen) and self._alone_for_long(scene):
                self._agent_left(scene.seen)
            return [Verdict("agent gone", self._patience.agent_gone, lost, "its agent is gone")]
        if scene.leg is None and not scene.has_agent:
            return [Verdict(_DESERTED, settling, lost, "nobody is left in its room")]
        if scene.leg is None and scene.seen.state == _ANSWERED:
            return [Verdict("leg gone", self._patience.leg_gone, lost, "the other side is gone")]
        return []

    def _alone_for_long(self, scene: Scene) -> bool:
        since = self._suspicions.since("alone", scene.seen.attempt_id, scene.seen.fence)
        return self._now() - since >= self._patience.alone

    def _overdue(self, scene: Scene) -> list[Verdict]:
        seen, grace = scene.seen, self._patience.overdue
        if seen.state == _CLAIMED and seen.call_type == CallType.SIP.value:
            return []  # nobody rings yet; the dispatcher watches how long that takes
        if seen.overflowed_at is not None and seen.state != _ANSWERED:
            verdict = Verdict("unanswered", grace, EndedReason.NO_AGENT, "nobody took the caller")
            began, limit = seen.overflowed_at, _LONGEST_OVERFLOW
            if self._now() < began + timedelta(seconds=limit):
                return []
            return [verdict]
        if seen.state == _ANSWERED:
            began, limit = seen.answered_at, seen.max_duration_seconds
            verdict = Verdict("too long", grace, EndedReason.MAX_DURATION, "it was too long")
        else:
            waits_for_browser = seen.call_type == CallType.VOIP.value
            rang = seen.state == AttemptState.RINGING.value or waits_for_browser
            reason = EndedReason.RING_TIMEOUT if rang else EndedReason.NO_RESPONSE
            began, limit = seen.sent_at or seen.claimed_at, seen.ring_timeout_seconds
            verdict = Verdict("unanswered", grace, reason, "nobody answered it")
        if began is None or self._now() < began + timedelta(seconds=limit):
            return []
        if verdict.reason is not EndedReason.MAX_DURATION and _active(scene.leg):
            return []  # answered after all; see _answered_unreported
        return [verdict]

    async def _still_reporting(self, seen: Row[Any]) -> bool:
        """Say whether a witness told something about this call just now."""
        query = (
            select(events.c.recorded_at)
            .where(events.c.tenant_id == seen.tenant_id, events.c.call_id == seen.call_id)
            .where(events.c.source == Source.WORKER.value)
            .order_by(events.c.sequence.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            newest = (await connection.execute(query)).scalar_one_or_none()
        return newest is not None and self._now() - newest < _RECENT

    async def _end(self, seen: Row[Any], verdict: Verdict) -> None:
        now = self._now()
        async with self._database.transaction() as tx:
            call = await lock_call(tx, seen.tenant_id, seen.call_id)
            # What it was seen as is what it is judged by: anything newer gets a new look.
            if call.status != seen.status or not await claims.same_fence(tx, seen):
                return
            await record(tx, claims.ending(seen, verdict.reason, verdict.message, now), now=now)
        log.warning(
            "call reaped", attempt_id=seen.attempt_id, what=verdict.what, reason=verdict.reason
        )
        await self._signals.call_changed(seen.tenant_id, seen.call_id)
        await self._signals.work_waiting()
        # The record comes first, so that a worker that this cuts off cannot tell another end.
        await self._delete(seen.room)

    async def _record_answer(self, seen: Row[Any]) -> None:
        now = self._now()
        answered = Fact(
            tenant_id=seen.tenant_id,
            call_id=seen.call_id,
            attempt_id=seen.attempt_id,
            type=EventType.CALL_ANSWERED,
            source=Source.LIVEKIT,
            source_sequence="answered",
            occurred_at=now,
            data={},
        )
        async with self._database.transaction() as tx:
            await record(tx, answered, now=now)
        log.warning("answer seen in the room", attempt_id=seen.attempt_id)
        await self._signals.call_changed(seen.tenant_id, seen.call_id)

    async def _delete(self, room: str) -> None:
        try:
            await self._rooms.delete(room)
        except Unavailable:
            log.info("room not deleted yet", room=room)
            self._sweep.doubt(room)


#: Ends that a witness may still explain better.
_FATE_UNKNOWN = {EndedReason.LOST, EndedReason.MEDIA_SERVER_LOST}


def _dialled(seen: Row[Any]) -> bool:
    return seen.status not in (CallStatus.QUEUED.value, CallStatus.DISPATCHING.value)


def _active(leg: RoomMember | None) -> bool:
    return leg is not None and leg.sip_status == "active"
