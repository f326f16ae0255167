"""The one door to the other side: it opens once for each attempt, whoever asks, however often.

For a phone it is the door to an INVITE. A browser comes by itself and nothing is dialled: there the
permit says which one of two agents owns the room, and the attempt stays claimed.

The grant is committed before it is told. An answer that is lost on its way is a permit spent: the
second asker is refused, and the reaper finds an attempt that was sent and that nobody dialled.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts
from dialer.calls.record import Fact, lock_call, record
from dialer.tenants.tokens import AttemptGrant
from telephony.call import AttemptState, CallStatus, CallType
from telephony.errors import Conflict
from telephony.events import EventType, Source


async def call_of(tx: AsyncConnection, grant: AttemptGrant) -> str:
    """Name the call of an attempt.

    Errors: Conflict ``permit_refused`` when there is no such attempt (any more).
    """
    query = select(attempts.c.call_id).where(
        attempts.c.tenant_id == grant.tenant_id, attempts.c.id == grant.attempt_id
    )
    call_id = (await tx.execute(query)).scalar_one_or_none()
    if call_id is None:
        raise refused()
    return call_id


async def permit(tx: AsyncConnection, grant: AttemptGrant, *, now: datetime) -> str:
    """Let this asker reach out, and nobody after it; gives the call's id.

    Errors: Conflict ``permit_refused`` when the permit is given already, when the asker was sent
    out by an earlier dispatch, when a hang-up was asked for or the call is over.
    """
    call_id = await call_of(tx, grant)
    call = await lock_call(tx, grant.tenant_id, call_id)
    if call.status != CallStatus.DISPATCHING.value or call.hangup_requested_at is not None:
        raise refused()
    dials = call.call_type == CallType.SIP.value
    if not await _grant(tx, grant, AttemptState.SENT if dials else AttemptState.CLAIMED, now):
        raise refused()
    if dials:
        await record(tx, _dialing(grant, call_id, now), now=now)
    return call_id


async def _grant(
    tx: AsyncConnection, grant: AttemptGrant, state: AttemptState, now: datetime
) -> bool:
    granted = await tx.execute(
        update(attempts)
        .where(
            attempts.c.tenant_id == grant.tenant_id,
            attempts.c.id == grant.attempt_id,
            attempts.c.state == AttemptState.CLAIMED.value,
            attempts.c.fence == grant.fence,
            attempts.c.sent_at.is_(None),
        )
        .values(
            state=state.value,
            sent_at=now,
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
