"""Is there room in the queue?

Refusing must stay cheap when it happens most: who was refused a moment ago is looked at with one
read, before anything waits for a place to write.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from dialer.adapters.database import Database
from dialer.adapters.together import BATCH
from dialer.calls.newcomers import NewCalls
from dialer.calls.store import Calls
from telephony.errors import Conflict

#: Below the limit by this much, racing processes with a batch each cannot pass it, and need not
#: wait for each other.
_NEAR = 4 * BATCH
#: Calls a second: faster than any database writes them down, all processes together.
_FASTEST = 10_000
#: Units: seconds. The longest that a count holds; to count a long queue costs more than to write
#: a batch.
_LONGEST = 1.0
#: Units: seconds. For how long a crowd that was turned away by one count is turned away by it: a
#: place that comes free meanwhile is taken a moment later.
_CROWD_HOLDS = 0.05
#: Units: seconds.
_RETRY_AFTER = 5


class QueueLimit:
    """The limit on each tenant's queue, in one process."""

    def __init__(self, at_most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_most = at_most
        self._near = max(_NEAR, at_most // 10)
        #: In so short a time not even half of the way from there to the limit is filled.
        self._holds = min(_LONGEST, self._near / 2 / _FASTEST)
        self._clock = clock
        self._far_until: dict[str, float] = {}
        #: A hint and no truth: other processes fill and empty the same queues.
        self._full: set[str] = set()
        self._counting: dict[str, asyncio.Task[int]] = {}
        #: Tenants whose last count was shared by several, and until when it turns others away.
        self._crowded_until: dict[str, float] = {}

    async def turn_away(self, database: Database, tenant_id: str) -> None:
        """Refuse at once, without a transaction, where the queue was full and still is.

        Errors: Conflict ``queue_full``.
        """
        if tenant_id not in self._full:
            return
        if self._clock() < self._crowded_until.get(tenant_id, -math.inf):
            raise self.refusal()
        crowd = tenant_id in self._counting
        if await self._counted(database, tenant_id) >= self._at_most:
            if crowd:
                self._crowded_until[tenant_id] = self._clock() + _CROWD_HOLDS
            raise self.refusal()
        self._full.discard(tenant_id)

    async def _counted(self, database: Database, tenant_id: str) -> int:
        """Count the calls that wait; all who ask while it is counted share the count."""
        counting = self._counting.get(tenant_id)
        if counting is None:
            counting = asyncio.create_task(self._count(database, tenant_id))
            self._counting[tenant_id] = counting
            counting.add_done_callback(lambda _: self._counting.pop(tenant_id))
        # Who goes away takes the count from nobody.
        return await asyncio.shield(counting)

    async def _count(self, database: Database, tenant_id: str) -> int:
        async with database.reading() as connection:
            return await Calls(connection, tenant_id).queued(at_most=self._at_most)

    def room_for(self, newcomers: NewCalls, wanted: int) -> int:
        """Tell how many of so many calls may still wait; the others are refused.

        Shape: call it in the transaction that writes the calls.
        """
        now = self._clock()
        if now < self._far_until.get(newcomers.tenant_id, -math.inf):
            return wanted
        waiting = newcomers.waiting(at_most=self._at_most)
        if waiting + wanted + self._near < self._at_most:
            self._far_until[newcomers.tenant_id] = now + self._holds
            return wanted
        if waiting < self._at_most:
            # Near the limit placers take turns, so that none counts a place that another takes.
            newcomers.one_at_a_time()
            waiting = newcomers.waiting(at_most=self._at_most)
        room = max(0, min(wanted, self._at_most - waiting))
        if room < wanted:
            self._full.add(newcomers.tenant_id)
        return room

    def refusal(self) -> Conflict:
        """Say that there is no room."""
        return Conflict(
            "queue_full",
            f"There are {self._at_most} calls waiting already.",
            retry_after=_RETRY_AFTER,
        )
