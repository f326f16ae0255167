"""No agent offered the call of a caller who is there: the dialer writes it down and takes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from secrets import token_hex

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError

from dialer.adapters.database import Database
from dialer.calls import claims
from dialer.calls.claims import Claim
from dialer.calls.record import record
from dialer.calls.rooms import RoomMember
from dialer.calls.signals import Signals
from dialer.inbound.admit import Admitted, admit
from dialer.inbound.arriving import Came, write
from dialer.inbound.lookup import find, offered_before
from dialer.inbound.numbers import read_called, read_caller
from dialer.inbound.overflow import Overflow
from telephony.bridge_attributes import BRIDGE_CALL_ID, CALLED, CALLER, number_in
from telephony.call import EndedReason, new_call_id
from telephony.events import OverflowWhy
from telephony.worker_contract import InboundOffer, InboundRefused

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class NobodyCame:
    """Takes callers whom no agent took."""

    def __init__(
        self,
        *,
        database: Database,
        signals: Signals,
        overflow: Overflow,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._signals = signals
        self._overflow = overflow
        self._now = now

    async def take(self, room: str, caller: RoomMember) -> bool:
        """Take a caller; False where the room should be closed, True where it is somebody's."""
        came = self._came(room, caller)
        if came is None:
            return False
        try:
            found = await self._write(came)
        except IntegrityError:
            return True  # an agent, or another process, was faster
        if isinstance(found, bool):
            return found
        mine, why, dial = found
        await self._signals.call_changed(mine.tenant_id, mine.call_id)
        if await self._overflow.take(mine, why, dial=dial):
            return True
        await self._end(mine)
        return False

    def _came(self, room: str, caller: RoomMember) -> Came | None:
        told = caller.attributes
        try:
            offer = InboundOffer(
                asked_by=f"dialer:{token_hex(8)}",
                bridge_call_id=told.get(BRIDGE_CALL_ID, ""),
                room=room,
                leg_identity=caller.identity,
                called=number_in(told, CALLED) or "",
                caller=number_in(told, CALLER),
            )
        except ValidationError:
            log.error("caller not understood", room=room)
            return None
        called, calling = read_called(offer.called), read_caller(offer.caller)
        now = self._now()
        return Came(str(new_call_id(now)), offer, None, called, calling, now)

    async def _write(self, came: Came) -> bool | tuple[Claim, OverflowWhy, bool]:
        """Write the call down; gives what is to be done, or whether the room is somebody's."""
        async with self._database.transaction() as tx:
            if await offered_before(tx, came.offer.bridge_call_id) is not None:
                return True
            owned = None if came.called is None else await find(tx, came.called.digits)
            verdict = admit(None if owned is None else owned.inbound, came.caller, now=came.now)
            if owned is None or verdict is InboundRefused.UNKNOWN_NUMBER:
                return False
            mine, _ = await write(tx, came, owned, None)
            if not isinstance(verdict, Admitted):
                message = "the caller is blocked"
                blocked = claims.ending(mine, EndedReason.BLOCKED, message, came.now)
                await record(tx, blocked, now=came.now)
                return False
        closed = verdict.announcement is not None
        why = OverflowWhy.CLOSED if closed else OverflowWhy.NO_AGENT
        # Who is told that nobody is there at this hour is not sent on: there is no voice to say it.
        return mine, why, verdict.overflow or not closed

    async def _end(self, mine: Claim) -> None:
        async with self._database.transaction() as tx:
            message = "no agent came, and there was nothing else for the caller"
            ended = claims.ending(mine, EndedReason.NO_AGENT, message, self._now())
            await record(tx, ended, now=self._now())
        await self._signals.call_changed(mine.tenant_id, mine.call_id)
