"""Hang up: cancel what has not been dialled, and take the callee out of what has.

The wish is recorded before anything is asked of LiveKit, so that the recorder knows whose hang-up
it was, and the reaper carries it out when LiveKit could not be reached just now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.calls.record import Fact, record
from dialer.calls.schemas import CallView
from dialer.calls.store import Calls
from dialer.calls.view import call_view
from dialer.wiring import Services
from telephony.call import CallStatus, EndedBy, EndedReason
from telephony.errors import Unavailable
from telephony.events import EventType, Source

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_NOT_DIALLED = {CallStatus.QUEUED, CallStatus.DISPATCHING}


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call after the wish; ``over`` where it had ended before."""

    view: CallView
    over: bool


async def hang_up(tenant_id: str, call_id: str, wired: Services) -> HungUp:
    """End the call, whatever its status; a call that is over stays as it is.

    Errors: NotFound.
    """
    async with wired.database.transaction() as tx:
        calls = Calls(tx, tenant_id)
        was = CallStatus((await calls.lock(call_id)).status)
        attempt = await calls.newest_attempt(call_id)
        if was is not CallStatus.ENDED:
            await _write(tx, tenant_id, call_id, attempt.id, was, now=wired.now())
        view = call_view(await calls.get(call_id))
    if was is CallStatus.ENDED:
        return HungUp(view, over=True)
    await wired.signals.call_changed(tenant_id, call_id)
    if attempt.room is not None:
        await _let_go(attempt.room, was, wired)
    if was in _NOT_DIALLED:
        await wired.signals.work_waiting()
    return HungUp(view, over=False)


async def _write(
    tx: AsyncConnection,
    tenant_id: str,
    call_id: str,
    attempt_id: str,
    was: CallStatus,
    *,
    now: datetime,
) -> None:
    def fact(event: EventType, **data: str) -> Fact:
        return Fact(
            tenant_id=tenant_id,
            call_id=call_id,
            attempt_id=attempt_id,
            type=event,
            source=Source.DIALER,
            source_sequence=f"hang_up:{event.value}",
            occurred_at=now,
            data=dict(data),
        )

    await record(tx, fact(EventType.CALL_HANGUP_REQUESTED), now=now)
    if was in _NOT_DIALLED:
        # The attempt ends with the call: a permit that is asked for from now on is refused.
        ended = fact(
            EventType.CALL_ENDED,
            ended_reason=EndedReason.API_HANGUP.value,
            ended_by=EndedBy.API.value,
        )
        await record(tx, ended, now=now)


async def _let_go(room: str, was: CallStatus, wired: Services) -> None:
    try:
        if was not in _NOT_DIALLED:
            members = await wired.rooms.participants(room)
            legs = [member.identity for member in members if member.is_leg]
            for identity in legs:
                await wired.rooms.remove_participant(room, identity)
            if legs:
                return
        # Nobody to take out: an agent on its way, or a leg that is just being made.
        await wired.rooms.delete(room)
    except Unavailable as error:
        log.warning("hang-up left to the reaper", code=error.code, room=room)
