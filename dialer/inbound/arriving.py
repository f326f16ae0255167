"""A call that came in, written down: the call, its attempt, and the first event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.calls import claims
from dialer.calls.claims import Claim
from dialer.calls.record import record
from dialer.calls.store import Calls
from dialer.inbound.choice import Choice
from dialer.inbound.numbers import Owned
from telephony.call import AttemptState, CallStatus, CallType, Direction, new_attempt_id
from telephony.events import EventType
from telephony.numbers import E164
from telephony.worker_contract import InboundOffer

#: Units: seconds. How long an agent may take to answer, and a caller to talk.
RING_TIMEOUT: Final = 30
MAX_DURATION: Final = 3600
#: The fence of whoever wrote the call down.
FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Came:
    """A call as it is dealt with.

    Shape: ``worker_id`` is whose agent offers it, None where the dialer found the caller alone;
    ``choice`` is what the number's webhook said, None where it was not asked.
    """

    call_id: str
    offer: InboundOffer
    worker_id: str | None
    called: E164 | None
    caller: E164 | None
    now: datetime
    choice: Choice | None = None


async def write(
    tx: AsyncConnection, came: Came, owned: Owned, announcement: str | None
) -> tuple[Claim, dict[str, Any]]:
    """Write a call to a number down, ringing; gives its attempt's claim and its row."""
    call, attempt_id = _call_row(came, owned), str(new_attempt_id(came.now))
    attempt = _attempt_row(came) | {"id": attempt_id, "announcement": announcement}
    mine = Claim(owned.tenant_id, call["id"], attempt_id, FIRST, came.offer.room)
    await Calls(tx, owned.tenant_id).insert(call, attempt)
    received = claims.fact(
        mine,
        EventType.CALL_RECEIVED,
        "received",
        came.now,
        bridge_call_id=came.offer.bridge_call_id,
    )
    await record(tx, received, now=came.now)
    if came.choice is not None:
        await record(tx, _routed(mine, came.choice, came.now), now=came.now)
    return mine, call | {"tenant_id": owned.tenant_id}


def _routed(mine: Claim, choice: Choice, now: datetime) -> Any:
    return claims.fact(
        mine,
        EventType.CALL_ROUTED,
        "routed",
        now,
        result=choice.result.value,
        agent=choice.agent,
        status=choice.status,
        took_ms=round(choice.took * 1000),
    )


def _call_row(came: Came, owned: Owned) -> dict[str, Any]:
    chosen = came.choice if came.choice is not None and came.choice.agent is not None else None
    return {
        "id": came.call_id,
        "call_type": CallType.SIP.value,
        "direction": Direction.INBOUND.value,
        "status": CallStatus.RINGING.value,
        "phone_number": owned.inbound.number,
        "phone_number_given": came.offer.called,
        "caller_id": None if came.caller is None else came.caller.digits,
        "agent": owned.inbound.agent if chosen is None else chosen.agent,
        "variables": {} if chosen is None else chosen.variables,
        "metadata": {},
        "ring_timeout_seconds": RING_TIMEOUT,
        "max_duration_seconds": MAX_DURATION,
        "queued_at": came.now,
        "ringing_at": came.now,
        "last_sequence": 0,
    }


def _attempt_row(came: Came) -> dict[str, Any]:
    joined = None if came.worker_id is None else came.now
    return {
        "number": 1,
        "state": AttemptState.RINGING.value,
        "fence": FIRST,
        "dispatches": 1,
        "dispatched_at": came.now,
        "worker_id": came.worker_id,
        "room": came.offer.room,
        "bridge_call_id": came.offer.bridge_call_id,
        "leg_identity": came.offer.leg_identity,
        "created_at": came.now,
        "claimed_at": came.now,
        "agent_joined_at": joined,
        "permit_asked_by": came.offer.asked_by,
        "ringing_at": came.now,
    }
