"""The transactions of a caller whom the dialer itself has, there being no agent.

Taking the caller moves the attempt's fence: whatever its agent still says or wants is late. The
same transaction gives the one permit that this attempt has, where the overflow number is dialled
(``sent_at`` is set once and never taken back), and takes the trunk's slot. So there is at most one
INVITE for it, whoever dies meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, events
from dialer.calls import claims
from dialer.calls.claims import Claim, TrunkFull, ending, fact, same_fence
from dialer.calls.record import attempt_of, lock_call, record
from dialer.inbound import at_once
from dialer.routing import health, slots
from dialer.routing.trunk import Trunk
from telephony.call import AttemptState, CallStatus, EndedReason
from telephony.events import EventType, OverflowWhy

_OPEN = (AttemptState.RINGING.value, AttemptState.ANSWERED.value)
#: With these a participant is gone for good; with others it may come back.
_LEFT_FOR_GOOD = frozenset(
    {"client_initiated", "user_rejected", "user_unavailable", "participant_removed"}
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A caller whom the dialer has from now on."""

    mine: Claim
    leg_identity: str


class OverflowFull(Exception):
    """As many callers as may are at the number's overflow number."""


@dataclass(frozen=True, slots=True)
class Onward:
    """What a caller is sent on by.

    Shape: ``called`` is our number that they dialled, and ``most`` how many of its callers may be
    at its overflow number at once.
    """

    trunk: Trunk
    called: str = field(repr=False)
    most: int


async def take(
    tx: AsyncConnection,
    of: Claim,
    why: OverflowWhy,
    onward: Onward | None,
    *,
    owner: str,
    now: datetime,
) -> Kept | None:
    """Take a caller from whoever had it, by the fence that ``of`` was seen with.

    Shape: ``onward`` is None where nothing is dialled; the answer is None where the call moved on.
    Errors: TrunkFull; OverflowFull.
    """
    if onward is not None:
        await _have_place(tx, onward)
    call = await lock_call(tx, of.tenant_id, of.call_id)
    if call.status == CallStatus.ENDED.value or call.hangup_requested_at is not None:
        return None
    mine = Claim(of.tenant_id, of.call_id, of.attempt_id, of.fence + 1, of.room)
    values: dict[str, Any] = {"fence": mine.fence, "overflowed_at": now, "worker_id": None}
    if onward is not None:
        values |= {"trunk": onward.trunk.name, "sent_at": now, "permit_asked_by": owner[:64]}
    taken = await tx.execute(
        update(attempts)
        .where(
            *attempt_of(of),
            attempts.c.fence == of.fence,
            attempts.c.state.in_(_OPEN),
            attempts.c.overflowed_at.is_(None),
            attempts.c.sent_at.is_(None),
        )
        .values(**values)
    )
    if taken.rowcount != 1:
        return None
    if onward is not None:
        told = {"why": why.value, "trunk": onward.trunk.name}
        overflowed = fact(mine, EventType.CALL_OVERFLOWED, "overflowed", now, **told)
        await record(tx, overflowed, now=now)
    identity = await _leg(tx, mine)
    return None if identity is None else Kept(mine, identity)


async def _have_place(tx: AsyncConnection, onward: Onward) -> None:
    # The number's lock before the trunk's: in one order nobody waits in a circle.
    if not await at_once.free(tx, onward.called, onward.most):
        raise OverflowFull
    if not await slots.free(tx, onward.trunk):
        raise TrunkFull


async def _leg(tx: AsyncConnection, mine: Claim) -> str | None:
    query = select(attempts.c.leg_identity).where(*attempt_of(mine))
    return (await tx.execute(query)).scalar_one()


async def kept(connection: AsyncConnection) -> list[Row[Any]]:
    """List the attempts whose callers the dialer has, over all tenants."""
    found = await claims.open_attempts(connection, AttemptState.RINGING, AttemptState.ANSWERED)
    return [seen for seen in found if seen.overflowed_at is not None]


async def answered(tx: AsyncConnection, mine: Claim, *, now: datetime) -> bool:
    """Note that somebody took the call at the overflow number; False where that is known."""
    await lock_call(tx, mine.tenant_id, mine.call_id)
    noted = await tx.execute(
        update(attempts)
        .where(
            *attempt_of(mine),
            attempts.c.fence == mine.fence,
            attempts.c.state.in_(_OPEN),
            attempts.c.trunk.is_not(None),
            attempts.c.overflow_answered_at.is_(None),
        )
        .values(overflow_answered_at=now)
    )
    if noted.rowcount != 1:
        return False
    taken = fact(mine, EventType.CALL_OVERFLOW_ANSWERED, "overflow_answered", now)
    await record(tx, taken, now=now)
    await hears(tx, mine, now=now)
    return True


async def hears(tx: AsyncConnection, mine: Claim, *, now: datetime) -> None:
    """Note that the caller hears somebody; where an agent had answered, nothing changes."""
    await record(tx, fact(mine, EventType.CALL_ANSWERED, "caller_hears", now), now=now)


async def not_reached(
    tx: AsyncConnection, mine: Claim, reason: EndedReason, message: str, *, now: datetime
) -> bool:
    """Note that nobody took the call at the overflow number, and leave the trunk.

    Shape: False where somebody else noted it, or the call moved on; one who gets True goes on.
    """
    await lock_call(tx, mine.tenant_id, mine.call_id)
    # While the row still names the trunk: its slot goes, and what it did is told.
    dialling = (*attempt_of(mine), *_dialling(mine))
    await health.note_end(tx, dialling, reason, at=now, answered_at=None)
    left = await tx.execute(update(attempts).where(*dialling).values(trunk=None))
    if left.rowcount != 1:
        return False
    await warn(tx, mine, "overflow_failed", message, now=now)
    return True


async def warn(tx: AsyncConnection, mine: Claim, code: str, message: str, *, now: datetime) -> None:
    """Note why a caller is not at the overflow number."""
    told = {"code": code, "message": message}
    await record(tx, fact(mine, EventType.CALL_WARNING, code, now, **told), now=now)


async def noted_why(connection: AsyncConnection, of: Claim) -> OverflowWhy:
    """Tell why the dialer has a caller, as far as it was noted.

    Shape: who was sent on, or has begun to hear the apology, has it in the record; of one whose
    process died before that, it is only known that there was nobody.
    """
    noted = [EventType.CALL_OVERFLOWED.value, EventType.CALL_APOLOGISED.value]
    query = (
        select(events.c.data)
        .where(events.c.tenant_id == of.tenant_id, events.c.call_id == of.call_id)
        .where(events.c.attempt_id == of.attempt_id, events.c.type.in_(noted))
        .limit(1)
    )
    data = (await connection.execute(query)).scalar_one_or_none()
    return OverflowWhy.NO_AGENT if data is None else OverflowWhy(data["why"])


def _dialling(mine: Claim) -> tuple[Any, ...]:
    return (
        attempts.c.fence == mine.fence,
        attempts.c.state.in_(_OPEN),
        attempts.c.trunk.is_not(None),
        attempts.c.overflow_answered_at.is_(None),
    )


async def apologising(tx: AsyncConnection, mine: Claim, why: OverflowWhy, *, now: datetime) -> None:
    """Note that the caller is told that there is nobody."""
    told = {"why": why.value}
    await record(tx, fact(mine, EventType.CALL_APOLOGISED, "apologised", now, **told), now=now)


async def end(
    tx: AsyncConnection, mine: Claim, reason: EndedReason, message: str, *, now: datetime
) -> bool:
    """End the call; False where it is over, or somebody else's."""
    call = await lock_call(tx, mine.tenant_id, mine.call_id)
    if call.status == CallStatus.ENDED.value or not await same_fence(tx, mine):
        return False
    await record(tx, ending(mine, reason, message, now), now=now)
    return True


async def left_for_good(connection: AsyncConnection, of: Claim, identity: str) -> bool:
    """Say whether LiveKit told that a participant left for a reason from which nobody returns."""
    query = (
        select(events.c.type, events.c.data)
        .where(events.c.tenant_id == of.tenant_id, events.c.call_id == of.call_id)
        .where(
            events.c.type.in_(
                [EventType.ROOM_PARTICIPANT_JOINED.value, EventType.ROOM_PARTICIPANT_LEFT.value]
            )
        )
        .order_by(events.c.sequence.desc())
        .limit(20)
    )
    for type_, data in (await connection.execute(query)).all():
        if data.get("identity") == identity:
            left = type_ == EventType.ROOM_PARTICIPANT_LEFT.value
            return left and data.get("disconnect_reason") in _LEFT_FOR_GOOD
    return False
