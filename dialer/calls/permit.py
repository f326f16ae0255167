"""The one door to an INVITE: it opens once for each attempt, whoever asks, however often.

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
from telephony.call import AttemptState, CallStatus
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
        raise _refused()
    return call_id


async def permit(tx: AsyncConnection, grant: AttemptGrant, *, now: datetime) -> str:
    """Let this asker dial, and nobody after it; gives the call's id.

    Errors: Conflict ``permit_refused`` when the permit is given already, when the asker was sent
    out by an earlier dispatch, when a hang-up was asked for or the call is over.
    """
    call_id = await call_of(tx, grant)
    call = await lock_call(tx, grant.tenant_id, call_id)
    if call.status != CallStatus.DISPATCHING.value or call.hangup_requested_at is not None:
        raise _refused()
    granted = await tx.execute(
        update(attempts)
        .where(
            attempts.c.tenant_id == grant.tenant_id,
            attempts.c.id == grant.attempt_id,
            attempts.c.state == AttemptState.CLAIMED.value,
            attempts.c.fence == grant.fence,
        )
        .values(
            state=AttemptState.SENT.value,
            sent_at=now,
            # Its own word that it joined may still be on the way.
            agent_joined_at=func.coalesce(attempts.c.agent_joined_at, now),
        )
    )
    if granted.rowcount != 1:
        raise _refused()
    dialing = Fact(
        tenant_id=grant.tenant_id,
        call_id=call_id,
        attempt_id=grant.attempt_id,
        type=EventType.CALL_DIALING,
        source=Source.DIALER,
        source_sequence="dialing",
        occurred_at=now,
        data={},
    )
    await record(tx, dialing, now=now)
    return call_id


def _refused() -> Conflict:
    return Conflict("permit_refused", "This attempt may not be dialled, or not by you.")
