"""The one door to the other side: it opens once for each attempt, whoever asks, however often.

For a phone it is the door to an INVITE. A browser comes by itself and nothing is dialled: there the
permit says which one of two agents owns the room, and the attempt stays claimed.

The grant is committed before it is told, together with who asked. An answer that is lost on its way
is given again to the same asking, and to no other: two agents with the same token are two askers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts
from dialer.calls.record import Fact, attempt_of, lock_call, record
from dialer.tenants.tokens import AttemptGrant
from telephony.call import AttemptState, CallStatus, CallType
from telephony.errors import Conflict
from telephony.events import EventType, Source


async def call_of(tx: AsyncConnection, grant: AttemptGrant) -> str:
    """Name the call of an attempt.

    Errors: Conflict ``permit_refused`` when there is no such attempt (any more).
    """
    query = select(attempts.c.call_id).where(*attempt_of(grant))
    call_id = (await tx.execute(query)).scalar_one_or_none()
    if call_id is None:
        raise refused()
    return call_id


async def permit(tx: AsyncConnection, grant: AttemptGrant, asked_by: str, *, now: datetime) -> str:
    """Let this asker reach out, and nobody after it; gives the call's id.

    Errors: Conflict ``permit_refused`` when the permit is somebody else's already, when the asker
    was sent out by an earlier dispatch, when a hang-up was asked for or the call is over.
    """
    call_id = await call_of(tx, grant)
    call = await lock_call(tx, grant.tenant_id, call_id)
    dials = call.call_type == CallType.SIP.value
    state = AttemptState.SENT if dials else AttemptState.CLAIMED
    undialled = CallStatus.DIALING if dials else CallStatus.DISPATCHING
    if call.hangup_requested_at is not None:
        raise refused()
    if call.status == undialled.value and await _has_it(tx, grant, asked_by):
        return call_id  # it asks again: the answer was lost
    if call.status != CallStatus.DISPATCHING.value:
        raise refused()
    if not await _grant(tx, grant, asked_by, state, now):
        raise refused()
    if dials:
        await record(tx, _dialing(grant, call_id, now), now=now)
    return call_id


async def _has_it(tx: AsyncConnection, grant: AttemptGrant, asked_by: str) -> bool:
    query: Any = select(attempts.c.id).where(
        *attempt_of(grant),
        attempts.c.fence == grant.fence,
        attempts.c.permit_asked_by == asked_by,
        attempts.c.sent_at.is_not(None),
    )
    return (await tx.execute(query)).first() is not None


async def _grant(
    tx: AsyncConnection, grant: AttemptGrant, asked_by: str, state: AttemptState, now: datetime
) -> bool:
    granted = await tx.execute(
        update(attempts)
        .where(
            *attempt_of(grant),
            attempts.c.state == AttemptState.CLAIMED.value,
            attempts.c.fence == grant.fence,
            attempts.c.sent_at.is_(None),
        )
        .values(
            state=state.value,
            sent_at=now,
            permit_asked_by=asked_by,
            # Its own word that it joined may still be on the way.
            agent_joined_at=func.coalesce(attempts.c.agent_joined_at, now),
        )
    )
    return granted.rowcount == 1


def _dialing(grant: AttemptGrant, call_id: str, now: datetime) -> Fact:
    return Fact(
        tenant_id=grant.tenant_id,
        call_id=call_id,
        attempt_id=grant.attempt_id,
        type=EventType.CALL_DIALING,
        source=Source.DIALER,
        # A permit that was returned may be followed by another one.
        source_sequence=f"dialing:{grant.fence}",
        occurred_at=now,
        data={},
    )


def refused() -> Conflict:
    """Make the answer to whoever has no permit to get, or to return."""
    return Conflict("permit_refused", "This attempt may not be dialled, or not by you.")
