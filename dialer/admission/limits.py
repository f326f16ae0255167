"""Is there room in the queue?

Refusing must stay cheap when it happens most: who was refused a moment ago is looked at with one
read, before anything waits for a place to write.
"""

from __future__ import annotations

from dialer.adapters.database import Database
from dialer.calls.store import Calls
from telephony.errors import Conflict

#: Below the limit by this much, racing placers cannot pass it, and need not wait for each other.
_NEAR = 64
#: Units: seconds.
_RETRY_AFTER = 5


class QueueLimit:
    """The limit on each tenant's queue, in one process."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        #: A hint and no truth: other processes fill and empty the same queues.
        self._full: set[str] = set()

    async def turn_away(self, database: Database, tenant_id: str) -> None:
        """Refuse at once, without a transaction, where the queue was full and still is.

        Errors: Conflict ``queue_full``.
        """
        if tenant_id not in self._full:
            return
        async with database.reading() as connection:
            waiting = await Calls(connection, tenant_id).queued(at_most=self._at_most)
        if waiting >= self._at_most:
            raise self._refusal()
        self._full.discard(tenant_id)

    async def room_for_one(self, calls: Calls) -> None:
        """Refuse another waiting call where there are as many as may wait.

        Shape: call it in the transaction that writes the call. Errors: Conflict ``queue_full``.
        """
        waiting = await calls.queued(at_most=self._at_most)
        if waiting + _NEAR < self._at_most:
            return
        if waiting < self._at_most:
            # Near the limit placers take turns, so that none counts a place that another takes.
            await calls.one_at_a_time()
            waiting = await calls.queued(at_most=self._at_most)
        if waiting >= self._at_most:
            self._full.add(calls.tenant_id)
            raise self._refusal()

    def _refusal(self) -> Conflict:
        return Conflict(
            "queue_full",
            f"There are {self._at_most} calls waiting already.",
            retry_after=_RETRY_AFTER,
        )
