"""How many calls the workers can take: their own word against what the database knows."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts
from dialer.workers.presence import Capacity, LiveWorker, Presence, capacity
from telephony.call import AttemptState

_RUNNING = [
    AttemptState.CLAIMED.value,
    AttemptState.SENT.value,
    AttemptState.RINGING.value,
    AttemptState.ANSWERED.value,
]


async def measure(connection: AsyncConnection, presence: Presence) -> Capacity:
    """Count what is free, over all tenants.

    Errors: Unavailable when nobody can say which workers there are.
    """
    return await count(connection, await presence.live())


async def count(connection: AsyncConnection, workers: list[LiveWorker]) -> Capacity:
    """Count what these workers have free, over all tenants."""
    by_worker = (
        select(attempts.c.worker_id, func.count())
        .where(attempts.c.state.in_(_RUNNING), attempts.c.worker_id.is_not(None))
        .group_by(attempts.c.worker_id)
    )
    assigned = {str(worker): int(n) for worker, n in (await connection.execute(by_worker)).all()}
    joining = select(func.count()).where(
        attempts.c.state == AttemptState.CLAIMED.value, attempts.c.agent_joined_at.is_(None)
    )
    unassigned = int((await connection.execute(joining)).scalar_one())
    return capacity(workers, assigned=assigned, unassigned=unassigned)
