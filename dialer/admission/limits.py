"""Is there room in the queue?"""

from __future__ import annotations

from dialer.calls.store import Calls
from telephony.errors import Conflict

#: Below the limit by this much, racing placers cannot pass it, and need not wait for each other.
_NEAR = 64
#: Units: seconds.
_RETRY_AFTER = 5


async def room_in_queue(calls: Calls, *, at_most: int) -> None:
    """Refuse another waiting call where there are ``at_most`` already.

    Errors: Conflict ``queue_full``.
    """
    if await calls.queued(at_most=at_most) + _NEAR < at_most:
        return
    await calls.one_at_a_time()
    if await calls.queued(at_most=at_most) >= at_most:
        raise Conflict(
            "queue_full",
            f"There are {at_most} calls waiting already.",
            retry_after=_RETRY_AFTER,
        )
