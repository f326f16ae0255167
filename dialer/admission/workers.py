"""Is there a worker with room for one more call, right now?

Only voip calls ask: a sip call waits in the queue for a worker, a browser does not.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.workers.capacity import count
from dialer.workers.presence import LiveWorker, Presence
from telephony.errors import Unavailable

#: Postgres' advisory lock of those who take a seat; any number that nothing else uses.
_SEATS = 727002


async def workers_there(presence: Presence) -> list[LiveWorker]:
    """List the workers that could take the call.

    Errors: Unavailable ``no_worker``; or what presence raises.
    """
    able = [worker for worker in await presence.live() if worker.takes_calls]
    if not able:
        raise Unavailable("no_worker", "No worker is there to take the call.", retry_after=5)
    return able


async def check_seat(tx: AsyncConnection, workers: list[LiveWorker]) -> None:
    """Refuse the call that this transaction has claimed where it has no seat with a worker.

    Shape: who takes a seat at the same time waits here until it is seen to be taken; call it last.
    Errors: Unavailable ``no_worker``.
    """
    if tx.dialect.name == "postgresql":
        # SQLite has one writer anyway.
        await tx.execute(select(func.pg_advisory_xact_lock(_SEATS)))
    found = await count(tx, workers)
    # The call itself is among those that no worker has joined yet.
    if found.unassigned > found.spare:
        raise Unavailable("no_worker", "Every worker is busy.", retry_after=5)
