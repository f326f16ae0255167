"""A caller for whom there is no agent: dial the overflow number, else play an apology.

No worker is needed for it. The dialer takes the caller in one transaction (``keeping.take``) and
then rings the overflow number into the caller's room; the bridge answers the caller as soon as a
second phone is in the room, who hears its ringing tone until somebody takes it up. Whatever of that
fails leads to the apology, and that to a record that says so.

What was begun is in the database and in the room, and not in this process: whoever looks next
(``Overflow.step``) goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Row

from dialer import metrics
from dialer.adapters.database import Database
from dialer.calls.aside import Aside
from dialer.calls.claims import Claim
from dialer.calls.looping import keep_going
from dialer.calls.pacing import Pacer
from dialer.calls.rooms import ParticipantKind, RoomMember, Rooms
from dialer.calls.signals import Signals
from dialer.calls.suspicion import Suspicions
from dialer.inbound import keeping
from dialer.inbound.keeping import Kept
from dialer.inbound.let_go import LetGo
from dialer.inbound.lookup import find, number_of
from dialer.inbound.numbers import Owned
from dialer.inbound.second_leg import (
    ANNOUNCER_WAITS,
    Announcer,
    Invitation,
    NotReached,
    SecondLegs,
)
from dialer.inbound.taking import Taking
from dialer.inbound.ways_out import Lines, WayOut, WaysOut
from dialer.routing.directory import Directory
from telephony.call import EndedReason
from telephony.errors import Unavailable
from telephony.events import OverflowWhy
from telephony.worker_contract import ANNOUNCER_IDENTITY, OVERFLOW_IDENTITY

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: How an end is called for each cause, where nobody took the caller in the end.
_REASONS: Final = {
    OverflowWhy.NO_AGENT: EndedReason.NO_AGENT,
    OverflowWhy.AGENT_LOST: EndedReason.LOST,
    OverflowWhy.AGENT_ERROR: EndedReason.AGENT_ERROR,
    OverflowWhy.CLOSED: EndedReason.CLOSED,
}


_CALLER_HUNG_UP: Final = "the caller hung up"
_THEY_HUNG_UP: Final = "they hung up at the overflow number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each step may take.

    Shape: ``turn`` is how long a trunk's pace is waited for, ``gone`` how long somebody may be
    missing who may come back, ``let_go`` how long the bridge must have let go of somebody whom
    LiveKit still lists, ``never_came`` how long after the permit a second phone must be in
    the room, ``unheard`` how long a caller may be there with nobody who plays the apology: another
    process may have them wait for a player, who then takes up to ten seconds to join.
    """

    ring: timedelta = timedelta(seconds=25)
    longest: timedelta = timedelta(hours=1)
    turn: timedelta = timedelta(seconds=3)
    gone: timedelta = timedelta(seconds=10)
    let_go: timedelta = timedelta(seconds=3)
    never_came: timedelta = timedelta(seconds=12)
    unheard: timedelta = ANNOUNCER_WAITS + timedelta(seconds=12)
    look_every: timedelta = timedelta(seconds=1)
    forget_after: timedelta = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the overflow works with.

    Shape: ``owner`` names this process; ``at_once`` is how many callers of one number of ours may
    be at its overflow number together.
    """

    database: Database
    rooms: Rooms
    signals: Signals
    lines: Lines
    directory: Directory
    pacer: Pacer
    legs: SecondLegs
    announcer: Announcer
    owner: str
    now: Callable[[], datetime]
    at_once: int


class Overflow:
    """Has the callers for whom there is no agent."""

    def __init__(self, means: Means, *, patience: Patience | None = None) -> None:
        self._with = means
        self._patience = patience or Patience()
        self._taking = _taking(means, paced=self._patience.turn)
        self._suspicions = Suspicions(forget_after=self._patience.forget_after)
        self._let_go = LetGo(means.rooms, sure_after=self._patience.let_go, now=means.now)
        #: By attempt: what this process is doing with its caller just now.
        self._busy = Aside("overflow")

    def can_take(self, owned: Owned | None) -> bool:
        """Say whether there is anything for a caller of this number but a busy tone."""
        dials = owned is not None and owned.inbound.overflow_number is not None
        return dials or self._with.announcer.ready

    async def take(self, of: Claim, why: OverflowWhy, *, dial: bool = True) -> bool:
        """Take a caller; False where there is nothing for them, or the call moved on.

        Shape: without ``dial`` there is only the apology. Errors: Unavailable where the database
        cannot be reached.
        """
        async with self._with.database.reading() as connection:
            number = await number_of(connection, of)
            owned = None if number is None else await find(connection, number)
        if not self.can_take(owned):
            return False
        taken = await self._taking.take(of, why, owned if dial else None)
        if taken is None:
            return False
        kept, way = taken
        log.warning("caller without an agent taken", attempt_id=of.attempt_id, why=why.value)
        await self._with.signals.call_changed(of.tenant_id, of.call_id)
        await self._send_agents_away(of.room)
        how = "apology" if way is None else "overflow"
        metrics.INBOUND_WITHOUT_AGENT.labels(how=how, why=why.value).inc()
        if way is None:
            self._busy.begin(of.attempt_id, lambda: self._apologise(kept, why))
        else:
            self._busy.begin(of.attempt_id, lambda: self._dial(kept, why, way))
        return True

    async def _send_agents_away(self, room: str) -> None:
        # The lost one lingers in LiveKit's lists, and may come back to life in them.
        try:
            for member in await self._with.rooms.participants(room):
                if member.kind is ParticipantKind.AGENT:
                    await self._with.rooms.remove_participant(room, member.identity)
        except Unavailable:
            log.info("agents left in the room", room=room)

    async def _dial(self, kept: Kept, why: OverflowWhy, way: WayOut) -> None:
        mine = kept.mine
        wanted = Invitation(
            room=mine.room,
            attempt_id=mine.attempt_id,
            trunk_id=way.line.id,
            number=way.number,
            shows=way.shows,
            ring=self._patience.ring,
            longest=self._patience.longest,
        )
        missed = await self._with.legs.ring(wanted)
        if missed is None:
            await self._answered(mine)
        else:
            await self._not_reached(kept, why, missed)

    async def _answered(self, mine: Claim) -> None:
        async with self._with.database.transaction() as tx:
            news = await keeping.answered(tx, mine, now=self._with.now())
        if news:
            await self._with.signals.call_changed(mine.tenant_id, mine.call_id)

    async def _not_reached(self, kept: Kept, why: OverflowWhy, missed: NotReached) -> None:
        mine = kept.mine
        status = "" if missed.status is None else f", SIP {missed.status}"
        message = f"Nobody took the call at the overflow number: {missed.reason.value}{status}."
        async with self._with.database.transaction() as tx:
            mine_now = await keeping.not_reached(
                tx, mine, missed.reason, message, now=self._with.now()
            )
        if mine_now:
            await self._apologise(kept, why)

    async def _apologise(self, kept: Kept, why: OverflowWhy) -> None:
        """Play the line, if there is one, and end the call."""
        mine = kept.mine

        async def heard() -> None:
            async with self._with.database.transaction() as tx:
                await keeping.apologising(tx, mine, why, now=self._with.now())
                await keeping.hears(tx, mine, now=self._with.now())
            await self._with.signals.call_changed(mine.tenant_id, mine.call_id)

        announcer = self._with.announcer
        if announcer.ready and not await announcer.play(mine.room, kept.leg_identity, heard):
            log.error("apology not played", attempt_id=mine.attempt_id)
        await self._end(mine, _REASONS[why], "there was nobody for the caller")

    async def _end(self, mine: Claim, reason: EndedReason, message: str) -> None:
        async with self._with.database.transaction() as tx:
            ended = await keeping.end(tx, mine, reason, message, now=self._with.now())
        if not ended:
            return
        await self._with.signals.call_changed(mine.tenant_id, mine.call_id)
        await self._with.signals.work_waiting()
        try:
            await self._with.rooms.delete(mine.room)
        except Unavailable:
            log.info("room left to the reaper", room=mine.room)

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            await keep_going("overflow", self.step, on_failure=self._suspicions.clear)
        finally:
            await self._busy.stop()

    async def settled(self) -> None:
        """Wait until nothing is under way in this process."""
        await self._busy.settled()

    async def step(self) -> float:
        """Look at every caller once; gives the seconds to the next look."""
        self._suspicions.begin(self._with.now())
        async with self._with.database.reading() as connection:
            found = await keeping.kept(connection)
        await self._let_go.ask(
            (Claim.of(seen).room, identity)
            for seen in found
            if seen.trunk is not None
            for identity in (str(seen.leg_identity), OVERFLOW_IDENTITY)
        )
        for seen in found:
            await self._look_at(seen)
        self._suspicions.finish()
        return self._patience.look_every.total_seconds()

    async def _look_at(self, seen: Row[Any]) -> None:
        mine = Claim.of(seen)
        if seen.hangup_requested_at is not None:
            await self._end(mine, EndedReason.API_HANGUP, "the hang-up was carried out")
            return
        if not await self._with.rooms.served(mine.room):
            if self._suspicions.stands("gone", seen.leg_identity, seen.attempt_id):
                # Everybody left, and LiveKit closed the room over it.
                await self._end(mine, EndedReason.CALLER_HANGUP, _CALLER_HUNG_UP)
            return  # else the reaper's: it knows a server that died from a room that is gone
        members = {one.identity: one for one in await self._with.rooms.participants(mine.room)}
        if seen.trunk is None:
            if ANNOUNCER_IDENTITY not in members and mine.attempt_id not in self._busy:
                await self._nobody_speaks(seen)
        elif self._let_go.of((mine.room, seen.leg_identity)):
            await self._end(mine, EndedReason.CALLER_HANGUP, _CALLER_HUNG_UP)
        elif seen.leg_identity in members:
            await self._look_at_second(seen, members.get(OVERFLOW_IDENTITY))
        elif await self._gone(seen, seen.leg_identity):
            await self._end(mine, EndedReason.CALLER_HANGUP, _CALLER_HUNG_UP)

    async def _gone(self, seen: Row[Any], identity: str) -> bool:
        since = self._suspicions.since("gone", identity, seen.attempt_id)
        if self._with.now() - since >= self._patience.gone:
            return True
        async with self._with.database.reading() as connection:
            return await keeping.left_for_good(connection, Claim.of(seen), identity)

    async def _look_at_second(self, seen: Row[Any], second: RoomMember | None) -> None:
        mine = Claim.of(seen)
        answered = seen.overflow_answered_at is not None
        if answered and self._let_go.of((mine.room, OVERFLOW_IDENTITY)):
            await self._end(mine, EndedReason.CALLEE_HANGUP, _THEY_HUNG_UP)
        elif second is not None and second.sip_status == "active":
            if not answered:
                await self._answered(mine)
        elif answered:
            if second is None and await self._gone(seen, OVERFLOW_IDENTITY):
                await self._end(mine, EndedReason.CALLEE_HANGUP, _THEY_HUNG_UP)
        elif mine.attempt_id not in self._busy:
            await self._abandoned(seen, second)

    async def _abandoned(self, seen: Row[Any], second: RoomMember | None) -> None:
        """Go on with what a process began that is gone, or that lost sight of LiveKit."""
        rings = second is not None
        limit = self._patience.never_came + (self._patience.ring if rings else timedelta(0))
        if self._with.now() - seen.sent_at < limit:
            return
        mine = Claim.of(seen)
        if rings:
            await self._with.rooms.remove_participant(mine.room, OVERFLOW_IDENTITY)
        kept = Kept(mine, seen.leg_identity)
        missed = NotReached(EndedReason.RING_TIMEOUT if rings else EndedReason.BRIDGE_LOST)
        why = await self._noted_why(mine)
        self._busy.begin(mine.attempt_id, lambda: self._not_reached(kept, why, missed))

    async def _noted_why(self, mine: Claim) -> OverflowWhy:
        async with self._with.database.reading() as connection:
            return await keeping.noted_why(connection, mine)

    async def _nobody_speaks(self, seen: Row[Any]) -> None:
        since = self._suspicions.since("unheard", seen.attempt_id)
        if self._with.now() - since >= self._patience.unheard:
            mine = Claim.of(seen)
            reason = _REASONS[await self._noted_why(mine)]
            await self._end(mine, reason, "there was nobody for the caller")


def _taking(means: Means, *, paced: timedelta) -> Taking:
    return Taking(
        database=means.database,
        ways=WaysOut(
            database=means.database,
            lines=means.lines,
            directory=means.directory,
            pacer=means.pacer,
            now=means.now,
            paced=paced,
        ),
        pacer=means.pacer,
        announcer=means.announcer,
        owner=means.owner,
        now=means.now,
        at_once=means.at_once,
    )
