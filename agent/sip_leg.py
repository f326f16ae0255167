"""A phone behind the SIP bridge: it is rung once for each permit.

SipLeg._invite() is the only place where an INVITE is caused: again only where no bridge took the
request, so that none can have left. Where none takes it for a while, the permit goes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import aiohttp
from livekit import api, rtc
from livekit.api.room_service import RoomService
from livekit.api.sip_service import SipService

from agent.bridge_listening import listen_early
from agent.ending import End, Ending
from agent.invitation import BRIDGE_GRACE, invitation
from agent.leg import Report
from agent.logs import get_logger
from agent.phone_leg import SAME_END, PhoneLeg
from agent.verdicts import (
    RETURNED,
    carrier_wants_fewer,
    dial_failed,
    lost_answer,
    no_bridge_took_it,
    refusal_lost,
    refused_by_trunk,
)
from telephony.bridge_hold import Hold
from telephony.call import EndedReason
from telephony.dial_request import DialRequest
from telephony.worker_contract import CALLEE_IDENTITY, ReturnReason

#: For how long another bridge is waited for while none takes a call, before the permit goes back.
#: It is taken off the time that the phone may ring; keep it well below the reaper's grace (10 s).
_BRIDGE_PATIENCE: Final = 2.0

#: How long two messages about the same end may be apart, before the answer.
_SAME_END: Final = SAME_END

#: What a dialling that was cancelled looks like, whoever cancelled it.
_CANCELLED: Final = frozenset(
    {EndedReason.RING_TIMEOUT, EndedReason.NO_RESPONSE, EndedReason.BRIDGE_LOST}
)

log = get_logger(__name__)


class SipLeg(PhoneLeg):
    """A phone that we ring."""

    identity = CALLEE_IDENTITY

    def __init__(
        self,
        room: rtc.Room,
        request: DialRequest,
        end: End,
        report: Report,
        *,
        sip: SipService,
        rooms: RoomService,
        give_back: Callable[[ReturnReason], Awaitable[bool]],
        ask_bridge: Callable[[str, str], Awaitable[Hold]],
    ) -> None:
        super().__init__(room, request, end, report, ask_bridge=ask_bridge)
        self._sip = sip
        self._rooms = rooms
        self._give_back = give_back
        self._subscriptions.on(room, "track_published", self._on_published)

    def _reach(self) -> None:
        # The permit recorded the dialling; a second word of it would only be noise.
        self._start(self._invite())
        self._start(self._ring_guard())

    async def _invite(self) -> None:
        give_up = time.monotonic() + _BRIDGE_PATIENCE
        while not self._end.decided and await self._no_bridge_yet():
            if time.monotonic() >= give_up:
                lost = Ending(EndedReason.BRIDGE_LOST, message="no bridge is there")
                await self._return_permit(ReturnReason.NO_BRIDGE, otherwise=lost)
                return
            await asyncio.sleep(random.uniform(0.5, 1.5))

    async def _return_permit(self, why: ReturnReason, *, otherwise: Ending) -> None:
        if self._end.decided:
            return
        # Whatever becomes of the answer: from here on the attempt may have another agent, in a room
        # of the same name.
        self.owns_room = False
        self._end.decide(RETURNED if await self._give_back(why) else otherwise)

    async def _no_bridge_yet(self) -> bool:
        """Send the request; True where no bridge took it, so that it may be sent again."""
        began = time.monotonic()
        try:
            await self._sip.create_sip_participant(
                invitation(self._request, self._room.name),
                timeout=(self._ring_limit + 2 * BRIDGE_GRACE).total_seconds(),
            )
        except api.ServerError as error:
            if no_bridge_took_it(error):
                log.warning("no_bridge_took_the_call")
                return True
            await self._not_answered(error, time.monotonic() - began)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Nobody knows whether the INVITE left: the participant's attributes and the ring
            # guard decide, and nothing is sent again.
            log.warning("dial_result_unknown", error=type(error).__name__)
        else:
            self._answer()
        return False

    async def _not_answered(self, error: api.ServerError, took: float) -> None:
        ending = dial_failed(error, rang=self._rang)
        if ending.reason is EndedReason.NO_RESPONSE and lost_answer(error, took):
            ending = Ending(EndedReason.CARRIER_ERROR, message="the bridge lost the answer")
        if ending.reason in _CANCELLED:
            # The bridge says the same when somebody takes the callee out of the room; the event
            # that tells so may be a moment behind. Without it nothing is guessed.
            await self._ended_within(_SAME_END / 5)
        if carrier_wants_fewer(ending) and not self._rang:
            await self._return_permit(ReturnReason.TOO_FAST, otherwise=ending)
        elif refusal_lost(error, took) and not self._rang:
            log.warning("bridge_lost_the_refusal")
            await self._return_permit(ReturnReason.REFUSAL_LOST, otherwise=ending)
        elif self._request.other_trunks:
            await self._try_another_trunk(error, ending, took)
        self._end.decide(ending)

    async def _try_another_trunk(self, error: api.ServerError, ending: Ending, took: float) -> None:
        why = refused_by_trunk(error, ending, took)
        if why is None:
            return
        # That it rang is told by other messages than the result, and may be a moment behind.
        await self._ended_within(_SAME_END / 5)
        if not self._rang:
            log.warning("trunk_refused", why=why.value)
            await self._return_permit(why, otherwise=ending)

    async def _ring_guard(self) -> None:
        limit = (self._ring_limit + BRIDGE_GRACE).total_seconds()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.answered.wait(), limit)
        if not self.answered.is_set():
            reason = EndedReason.RING_TIMEOUT if self._rang else EndedReason.NO_RESPONSE
            self._end.decide(Ending(reason))

    @property
    def _ring_limit(self) -> timedelta:
        return timedelta(seconds=self._request.limits.ring_timeout_seconds)

    def _on_published(
        self, _: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if participant.identity == self.identity and not self.answered.is_set():
            self._start(listen_early(self._rooms, self._room, self.identity))

    def _on_room_gone(self, reason: rtc.DisconnectReason.ValueType) -> None:
        never_came = self.permitted and not (self._seen or self.answered.is_set())
        if reason == rtc.DisconnectReason.ROOM_CLOSED and never_came:
            # Nobody asked for that: LiveKit closes a room to which nobody but an agent came, as
            # when the bridge dies with the request in its hands.
            self._end.decide(Ending(EndedReason.BRIDGE_LOST, message="the bridge never came"))
        else:
            super()._on_room_gone(reason)

    async def _left_before_answer(self) -> None:
        # The result of the dialling says more than the leaving: give it time to come.
        await self._ended_within(2 * _SAME_END)
        if self._there.is_set():
            return  # Our own connection, or the bridge's, was made anew.
        match self.left:
            case rtc.DisconnectReason.USER_REJECTED:
                ending = Ending(EndedReason.DECLINED)
            case rtc.DisconnectReason.USER_UNAVAILABLE:
                reason = EndedReason.RING_TIMEOUT if self._rang else EndedReason.NO_RESPONSE
                ending = Ending(reason)
            case rtc.DisconnectReason.SIP_TRUNK_FAILURE | rtc.DisconnectReason.CLIENT_INITIATED:
                ending = Ending(EndedReason.CARRIER_ERROR)
            case _:
                ending = Ending(EndedReason.BRIDGE_LOST)
        self._end.decide(ending)
