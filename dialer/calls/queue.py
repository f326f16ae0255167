"""The queue: which calls may leave, and in what order. What takes one of them is in ``claims``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, calls
from telephony.call import AttemptState, CallStatus, CallType

_COLUMNS: list[Any] = [
    attempts.c.tenant_id,
    attempts.c.call_id,
    attempts.c.id.label("attempt_id"),
    attempts.c.state,
    attempts.c.fence,
    attempts.c.room,
    attempts.c.trunk,
    attempts.c.refused_by,
    attempts.c.leg_identity,
    attempts.c.announcement,
    attempts.c.overflowed_at,
    attempts.c.overflow_answered_at,
    attempts.c.dispatches,
    attempts.c.dispatched_at,
    attempts.c.lease_expires_at,
    attempts.c.claimed_at,
    attempts.c.worker_id,
    attempts.c.agent_joined_at,
    attempts.c.agent_ready_at,
    attempts.c.sent_at,
    attempts.c.answered_at,
    attempts.c.ended_at,
    calls.c.call_type,
    calls.c.direction,
    calls.c.status,
    calls.c.waiting_for,
    calls.c.phone_number,
    calls.c.caller_id,
    calls.c.caller_id_given,
    calls.c.ringing_at,
    calls.c.hangup_requested_at,
    calls.c.ring_timeout_seconds,
    calls.c.max_duration_seconds,
    calls.c.last_sequence,
]


def attempts_with_calls(*more: Any) -> Select[Any]:
    """Select attempts, each with what is asked of its call."""
    mine = (calls.c.tenant_id == attempts.c.tenant_id) & (calls.c.id == attempts.c.call_id)
    query: Any = select(*_COLUMNS, *more).join(calls, mine)
    return query


def _may_leave(now: datetime) -> tuple[Any, ...]:
    return (
        attempts.c.state == AttemptState.WAITING.value,
        calls.c.status == CallStatus.QUEUED.value,
        calls.c.call_type == CallType.SIP.value,
        calls.c.hangup_requested_at.is_(None),
        # Of a waiting attempt this is the end of its rest; see dialer/calls/returning.py.
        or_(attempts.c.lease_expires_at.is_(None), attempts.c.lease_expires_at <= now),
    )


async def any_waits(connection: AsyncConnection, *, now: datetime) -> bool:
    """Tell whether there is a call that may leave."""
    query = attempts_with_calls().where(*_may_leave(now)).limit(1)
    return (await connection.execute(query)).first() is not None


async def waiting(
    connection: AsyncConnection, *, limit: int, now: datetime, skip: int = 0
) -> list[Row[Any]]:
    """List what may leave: oldest first, and one of each tenant's before anyone's second."""
    turn = func.row_number().over(
        partition_by=calls.c.tenant_id, order_by=(calls.c.queued_at, calls.c.id)
    )
    query = (
        attempts_with_calls(turn.label("turn"))
        .where(*_may_leave(now))
        .order_by("turn", calls.c.queued_at, calls.c.id)
        .limit(limit)
        .offset(skip)
    )
    return list((await connection.execute(query)).all())
