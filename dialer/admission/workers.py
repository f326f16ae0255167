"""Is there a worker with room for one more call, right now?

Only voip calls ask: a sip call waits in the queue for a worker, a browser does not.
"""

from __future__ import annotations

from dialer.adapters.database import Database
from dialer.workers.capacity import measure
from dialer.workers.presence import Presence
from telephony.errors import Unavailable


async def worker_with_room(presence: Presence, database: Database) -> None:
    """Refuse where no worker could take the call.

    Errors: Unavailable ``no_worker``; or what presence and database raise.
    """
    async with database.reading() as connection:
        found = await measure(connection, presence)
    if found.workers == 0:
        raise Unavailable("no_worker", "No worker is there to take the call.", retry_after=5)
    if found.free == 0:
        raise Unavailable("no_worker", "Every worker is busy.", retry_after=5)
