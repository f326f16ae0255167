"""An agent cannot speak with its caller, and hands the call over before it has answered."""

from __future__ import annotations

from dialer.calls.claims import Claim
from dialer.inbound.lookup import attempt_with_call, find
from dialer.tenants.tokens import AttemptGrant
from dialer.wiring import Services
from telephony.call import CallStatus, Direction
from telephony.events import OverflowWhy
from telephony.worker_contract import HandOver


async def hand_over(granted: AttemptGrant, told: HandOver, wired: Services) -> bool:
    """Take the caller, where there is something better than the agent's own apology.

    Shape: True also where the dialer has the caller already. Errors: NotFound for an attempt that
    does not exist; Unavailable.
    """
    async with wired.database.reading() as connection:
        seen = await attempt_with_call(connection, granted)
        owned = await find(connection, seen.phone_number or "")
    if seen.overflowed_at is not None:
        return True
    overflow = wired.overflow_at(seen.room or "")
    rings = seen.status == CallStatus.RINGING.value and seen.direction == Direction.INBOUND.value
    if overflow is None or not rings or seen.fence != granted.fence:
        return False
    # Who was to hear that nobody is there at this hour is not sent on.
    closed = seen.announcement is not None
    dials = owned is not None and owned.inbound.overflow_number is not None and not closed
    if told.can_apologise and not dials:
        return False
    why = OverflowWhy.CLOSED if closed else OverflowWhy.AGENT_ERROR
    return await overflow.take(Claim.of(seen), why, dial=dials)
