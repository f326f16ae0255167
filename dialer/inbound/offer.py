"""A worker offers a call that came in: it is briefed, or told why not.

The call is written down before the answer, ringing, with the offering agent as its own: whoever
asks again under the same name gets the same call, and anybody else is told that it is taken. What
nobody owns leaves nothing behind. A blocked caller's call is written down as over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer import metrics
from dialer.calls import claims
from dialer.calls.briefing import dial_request
from dialer.calls.claims import Claim
from dialer.calls.record import record
from dialer.calls.store import Calls
from dialer.failpoints import Failpoint, passing
from dialer.inbound.admit import Admitted, admit
from dialer.inbound.lookup import find, offered_before
from dialer.inbound.numbers import Owned, read_called, read_caller
from dialer.problems import BadRequest
from dialer.wiring import Services
from telephony.call import (
    AttemptState,
    CallStatus,
    CallType,
    Direction,
    EndedReason,
    new_attempt_id,
    new_call_id,
)
from telephony.errors import NotFound, Refused
from telephony.events import EventType
from telephony.numbers import E164
from telephony.worker_contract import InboundAnswer, InboundOffer, InboundRefused

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds. How long an agent may take to answer, and a caller to talk.
RING_TIMEOUT: Final = 30
MAX_DURATION: Final = 3600


@dataclass(frozen=True, slots=True)
class _Came:
    """An offer as it is dealt with."""

    offer: InboundOffer
    worker_id: str
    called: E164 | None
    caller: E164 | None
    now: datetime


async def offer(offered: InboundOffer, worker_id: str, wired: Services) -> InboundAnswer:
    """Say what becomes of a call that came in.

    Errors: BadRequest ``invalid_value`` for a room that is not of this deployment; Unavailable.
    """
    prefix = f"{wired.settings.deployment}-"
    if not offered.room.startswith(prefix):
        # Nobody would look after it: the dispatch rule must name its rooms so.
        raise BadRequest(
            "invalid_value", f"The room's name must begin with {prefix}.", field="room"
        )
    came = _Came(
        offered, worker_id, read_called(offered.called), read_caller(offered.caller), wired.now()
    )
    try:
        answer = await _answer(came, wired)
    except IntegrityError:
        # The same call was offered by somebody else at this very moment.
        answer = await _answer(came, wired)
    result = "taken" if answer.refused is None else answer.refused.value
    metrics.INBOUND_OFFERS.labels(result=result).inc()
    return answer


async def _answer(came: _Came, wired: Services) -> InboundAnswer:
    async with wired.database.transaction() as tx:
        known = await offered_before(tx, came.offer.bridge_call_id)
        if known is not None:
            return await _again(tx, came, known, wired)
        owned = None if came.called is None else await find(tx, came.called.digits)
        verdict = admit(None if owned is None else owned.inbound, came.caller, now=came.now)
        if owned is None or verdict is InboundRefused.UNKNOWN_NUMBER:
            return InboundAnswer(refused=InboundRefused.UNKNOWN_NUMBER)
        if isinstance(verdict, Admitted) and not _usable(owned, wired):
            return InboundAnswer(refused=InboundRefused.NO_AGENT)
        announcement = verdict.announcement if isinstance(verdict, Admitted) else None
        mine, call = await _write(tx, came, owned, announcement)
        if isinstance(verdict, InboundRefused):
            blocked = claims.ending(mine, EndedReason.BLOCKED, "the caller is blocked", came.now)
            await record(tx, blocked, now=came.now)
            answer = InboundAnswer(refused=verdict)
        else:
            answer = _briefed(call, mine, came, verdict, wired)
    passing(Failpoint.OFFER_AFTER_COMMIT)
    log.info("call received", call_id=mine.call_id, attempt_id=mine.attempt_id)
    await wired.signals.call_changed(mine.tenant_id, mine.call_id)
    return answer


def _usable(owned: Owned, wired: Services) -> bool:
    try:
        wired.agents.resolve(owned.inbound.agent, {})
    except (NotFound, Refused) as error:
        log.error("inbound agent cannot be used", number_id=owned.id, code=error.code)
        return False
    return True


async def _again(
    tx: AsyncConnection, came: _Came, known: Row[Any], wired: Services
) -> InboundAnswer:
    """Answer an offer of a call that is written down already."""
    call = await Calls(tx, known.tenant_id).lock(known.call_id)
    if call.ended_reason == EndedReason.BLOCKED.value:
        return InboundAnswer(refused=InboundRefused.BLOCKED)
    if call.status == CallStatus.ENDED.value:
        return InboundAnswer(refused=InboundRefused.OVER)
    if known.permit_asked_by != came.offer.asked_by or known.fence != _FIRST:
        return InboundAnswer(refused=InboundRefused.TAKEN)
    row: Any = call
    # As it was decided then, whether an hour struck meanwhile or not.
    admitted = Admitted(announcement=known.announcement)
    return _briefed(dict(row._mapping), Claim.of(known), came, admitted, wired)


_FIRST: Final = 1


async def _write(
    tx: AsyncConnection, came: _Came, owned: Owned, announcement: str | None
) -> tuple[Claim, dict[str, Any]]:
    call, attempt_id = _call_row(came, owned), str(new_attempt_id())
    attempt = _attempt_row(came) | {"id": attempt_id, "announcement": announcement}
    mine = Claim(owned.tenant_id, call["id"], attempt_id, _FIRST, came.offer.room)
    await Calls(tx, owned.tenant_id).insert(call, attempt)
    received = claims.fact(
        mine,
        EventType.CALL_RECEIVED,
        "received",
        came.now,
        bridge_call_id=came.offer.bridge_call_id,
    )
    await record(tx, received, now=came.now)
    return mine, call | {"tenant_id": owned.tenant_id}


def _briefed(
    call: dict[str, Any], mine: Claim, came: _Came, admitted: Admitted, wired: Services
) -> InboundAnswer:
    request = dial_request(
        call,
        attempt_id=mine.attempt_id,
        fence=mine.fence,
        trunk_id=None,
        agents=wired.agents,
        tokens=wired.tokens,
        leg_identity=came.offer.leg_identity,
        announcement=admitted.announcement,
    )
    return InboundAnswer(request=request.to_metadata())


def _call_row(came: _Came, owned: Owned) -> dict[str, Any]:
    return {
        "id": str(new_call_id()),
        "call_type": CallType.SIP.value,
        "direction": Direction.INBOUND.value,
        "status": CallStatus.RINGING.value,
        "phone_number": owned.inbound.number,
        "phone_number_given": came.offer.called,
        "caller_id": None if came.caller is None else came.caller.digits,
        "agent": owned.inbound.agent,
        "variables": {},
        "metadata": {},
        "ring_timeout_seconds": RING_TIMEOUT,
        "max_duration_seconds": MAX_DURATION,
        "queued_at": came.now,
        "ringing_at": came.now,
        "last_sequence": 0,
    }


def _attempt_row(came: _Came) -> dict[str, Any]:
    return {
        "number": 1,
        "state": AttemptState.RINGING.value,
        "fence": _FIRST,
        "dispatches": 1,
        "dispatched_at": came.now,
        "worker_id": came.worker_id,
        "room": came.offer.room,
        "bridge_call_id": came.offer.bridge_call_id,
        "leg_identity": came.offer.leg_identity,
        "created_at": came.now,
        "claimed_at": came.now,
        "agent_joined_at": came.now,
        "permit_asked_by": came.offer.asked_by,
        "ringing_at": came.now,
    }
