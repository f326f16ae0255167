"""The transactions of dispatching: who may take an attempt, and how it is given back.

Each locks the call, then compares and sets the attempt by state and fence. Every dispatch has a
fence of its own, and so has its token: an agent of an older one can neither dial nor move the call.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, calls, events
from dialer.calls.queue import attempts_with_calls
from dialer.calls.record import Fact, lock_call, record
from dialer.routing import slots
from dialer.routing.trunk import Trunk
from telephony.call import (
    AttemptState,
    CallStatus,
    Direction,
    EndedReason,
    WaitingFor,
)
from telephony.events import EventType, Source
from telephony.termination import ENDED_BY


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt as somebody saw or took it; what is done with it holds only for its fence."""

    tenant_id: str
    call_id: str
    attempt_id: str
    fence: int
    room: str

    @classmethod
    def of(cls, row: Row[Any]) -> Claim:
        """Read it from a row of ``open_attempts``."""
        return cls(row.tenant_id, row.call_id, row.attempt_id, row.fence, row.room)


def fact(of: Claim | Row[Any], event: EventType, sequence: str, now: datetime, **data: Any) -> Fact:
    """Write a fact of the dialer's own."""
    return Fact(
        tenant_id=of.tenant_id,
        call_id=of.call_id,
        attempt_id=of.attempt_id,
        type=event,
        source=Source.DIALER,
        source_sequence=sequence,
        occurred_at=now,
        data=data,
    )


def ending(of: Claim | Row[Any], reason: EndedReason, message: str, now: datetime) -> Fact:
    """Write the fact that a call is over, for a reason of the dialer's own."""
    data = {"ended_reason": reason.value, "ended_by": ENDED_BY[reason].value, "message": message}
    return fact(of, EventType.CALL_ENDED, "ended", now, **data)


async def open_attempts(connection: AsyncConnection, *states: AttemptState) -> list[Row[Any]]:
    """List the attempts in these states, over all tenants."""
    query = attempts_with_calls().where(attempts.c.state.in_([state.value for state in states]))
    return list((await connection.execute(query)).all())


class TrunkFull(Exception):
    """The trunk carries as many calls as it may: the claim is taken back with its transaction."""


def has_an_agent(seen: Row[Any]) -> bool:
    """Tell whether the attempt's agent is to be looked after: it talks, or is about to answer."""
    if seen.overflowed_at is not None:
        return False
    if seen.state == AttemptState.ANSWERED.value:
        return True
    return seen.state == AttemptState.RINGING.value and seen.direction == Direction.INBOUND.value


async def claim(
    tx: AsyncConnection,
    seen: Row[Any],
    *,
    trunk: Trunk,
    room: str,
    owner: str,
    lease: timedelta,
    now: datetime,
) -> tuple[Claim, Row[Any]] | None:
    """Take a waiting attempt for a trunk; gives it with its call, None when somebody was faster.

    Errors: TrunkFull.
    """
    if not await slots.free(tx, trunk):
        raise TrunkFull
    call = await lock_call(tx, seen.tenant_id, seen.call_id)
    if call.status != CallStatus.QUEUED.value or call.hangup_requested_at is not None:
        return None
    taken = await _swap(
        tx,
        seen,
        AttemptState.WAITING,
        fence=seen.fence + 1,
        dispatches=1,
        dispatched_at=None,
        room=room,
        trunk=trunk.name,
        lease_owner=owner,
        lease_expires_at=now + lease,
    )
    if not taken:
        return None
    mine = Claim(seen.tenant_id, seen.call_id, seen.attempt_id, seen.fence + 1, room)
    if await _shows_another(tx, call, trunk):
        call = await lock_call(tx, seen.tenant_id, seen.call_id)
    dispatching = fact(
        mine,
        EventType.CALL_DISPATCHING,
        f"dispatching:{mine.fence}",
        now,
        dispatch=1,
        trunk=trunk.name,
    )
    await record(tx, dispatching, now=now)
    return mine, call


async def _shows_another(tx: AsyncConnection, call: Row[Any], trunk: Trunk) -> bool:
    """Let the callee see a number of this trunk's; True where that changed the call."""
    if call.caller_id in trunk.numbers or call.caller_id_given:
        return False
    shown = trunk.shows(None, to=call.phone_number)
    await tx.execute(
        update(calls)
        .where(calls.c.tenant_id == call.tenant_id, calls.c.id == call.id)
        .values(caller_id=shown)
    )
    return True


async def opened(tx: AsyncConnection, mine: Claim, *, now: datetime) -> bool:
    """Note that an agent was asked for; False when the attempt is no longer this claim's."""
    await lock_call(tx, mine.tenant_id, mine.call_id)
    over = [AttemptState.WAITING.value, AttemptState.ENDED.value]
    done = await tx.execute(
        update(attempts)
        .where(
            attempts.c.tenant_id == mine.tenant_id,
            attempts.c.id == mine.attempt_id,
            attempts.c.fence == mine.fence,
            attempts.c.state.not_in(over),
        )
        .values(dispatched_at=now)
    )
    return done.rowcount == 1


async def dispatch_again(
    tx: AsyncConnection, seen: Row[Any], *, owner: str, lease: timedelta, now: datetime
) -> tuple[Claim, Row[Any]] | None:
    """Take over a claim whose dispatcher died or whose agent did not come."""
    call = await lock_call(tx, seen.tenant_id, seen.call_id)
    never_opened = seen.dispatched_at is None
    dispatches = seen.dispatches if never_opened else seen.dispatches + 1
    taken = await _swap(
        tx,
        seen,
        AttemptState.CLAIMED,
        without_agent=True,
        fence=seen.fence + 1,
        dispatches=dispatches,
        dispatched_at=None if never_opened else now,
        lease_owner=owner,
        lease_expires_at=now + lease,
    )
    if not taken:
        return None
    mine = Claim(seen.tenant_id, seen.call_id, seen.attempt_id, seen.fence + 1, seen.room)
    again = fact(
        mine,
        EventType.CALL_DISPATCHING,
        f"dispatching:{mine.fence}",
        now,
        dispatch=dispatches,
        trunk=seen.trunk,
    )
    await record(tx, again, now=now)
    return mine, call


async def put_back(
    tx: AsyncConnection,
    mine: Claim,
    *,
    waiting_for: WaitingFor,
    now: datetime,
    despite_agent: bool = False,
) -> bool:
    """Give a claimed attempt back to the queue; False when it is no longer this claim's.

    Shape: an attempt that an agent has joined stays where it is, unless ``despite_agent``.
    """
    await lock_call(tx, mine.tenant_id, mine.call_id)
    if not await _is_claimed(tx, mine, despite_agent=despite_agent):
        return False
    back = fact(mine, EventType.CALL_REQUEUED, f"requeued:{mine.fence}", now)
    await record(tx, back, now=now)
    await say_waiting(tx, mine, waiting_for, now)
    return True


async def give_up(
    tx: AsyncConnection,
    mine: Claim,
    reason: EndedReason,
    message: str,
    *,
    now: datetime,
    despite_agent: bool = False,
) -> bool:
    """End the call of a claimed attempt; False when it is no longer this claim's.

    Shape: an attempt that an agent has joined stays where it is, unless ``despite_agent``.
    """
    await lock_call(tx, mine.tenant_id, mine.call_id)
    if not await _is_claimed(tx, mine, despite_agent=despite_agent):
        return False
    await record(tx, ending(mine, reason, message, now), now=now)
    return True


async def held(connection: AsyncConnection, mine: Claim) -> bool:
    """Tell whether the attempt is still this claim's, and nobody has joined it."""
    return await _is_claimed(connection, mine, despite_agent=False)


async def refused_by(connection: AsyncConnection, of: Claim) -> list[str]:
    """Name the trunks that refused this attempt before the callee's network."""
    query = select(attempts.c.refused_by).where(
        attempts.c.tenant_id == of.tenant_id, attempts.c.id == of.attempt_id
    )
    return (await connection.execute(query)).scalar_one() or []


async def same_fence(connection: AsyncConnection, of: Claim | Row[Any]) -> bool:
    """Tell whether nobody was sent out for this attempt since it was seen."""
    query = select(attempts.c.fence).where(
        attempts.c.tenant_id == of.tenant_id, attempts.c.id == of.attempt_id
    )
    return (await connection.execute(query)).scalar_one_or_none() == of.fence


async def unclaimed(connection: AsyncConnection, of: Claim) -> bool:
    """Tell whether the attempt waits again or is over, so that its room is nobody's."""
    query = select(attempts.c.state).where(
        attempts.c.tenant_id == of.tenant_id, attempts.c.id == of.attempt_id
    )
    state = (await connection.execute(query)).scalar_one_or_none()
    return state in {AttemptState.WAITING.value, AttemptState.ENDED.value, None}


async def times_seen(connection: AsyncConnection, of: Claim, event: EventType) -> int:
    """Count how often an event was recorded for this attempt."""
    query = select(func.count()).where(
        events.c.tenant_id == of.tenant_id,
        events.c.call_id == of.call_id,
        events.c.attempt_id == of.attempt_id,
        events.c.type == event.value,
    )
    return int((await connection.execute(query)).scalar_one())


async def say_waiting(
    tx: AsyncConnection, of: Claim | Row[Any], waiting_for: WaitingFor, now: datetime
) -> None:
    """Note in a waiting call what it waits for."""
    sequence = f"waiting:{secrets.token_hex(8)}"
    said = fact(of, EventType.CALL_WAITING, sequence, now, waiting_for=waiting_for.value)
    await record(tx, said, now=now)


async def _swap(
    tx: AsyncConnection,
    seen: Row[Any],
    state: AttemptState,
    *,
    without_agent: bool = False,
    **values: Any,
) -> bool:
    where = [
        attempts.c.tenant_id == seen.tenant_id,
        attempts.c.id == seen.attempt_id,
        attempts.c.fence == seen.fence,
        attempts.c.state == state.value,
    ]
    if without_agent:
        where.append(attempts.c.agent_joined_at.is_(None))
    return (await tx.execute(update(attempts).where(*where).values(**values))).rowcount == 1


async def _is_claimed(tx: AsyncConnection, mine: Claim, *, despite_agent: bool) -> bool:
    query = select(attempts.c.agent_joined_at).where(
        attempts.c.tenant_id == mine.tenant_id,
        attempts.c.id == mine.attempt_id,
        attempts.c.fence == mine.fence,
        attempts.c.state == AttemptState.CLAIMED.value,
    )
    row = (await tx.execute(query)).one_or_none()
    return row is not None and (despite_agent or row.agent_joined_at is None)
