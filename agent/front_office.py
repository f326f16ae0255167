"""Where jobs, each in its thread, meet the worker and its one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.dialer_client import DialerClient, PermitAnswer
from agent.ending import SUPERSEDED, End, Ending
from agent.reporter import Deliveries, Reporter
from agent.spool import Owner
from agent.watchdog import Pulse
from telephony.call import EndedReason
from telephony.dial_request import DialRequest
from telephony.worker_contract import HandOver, InboundAnswer, InboundOffer, ReturnReason

_Answer = TypeVar("_Answer")


@dataclass(eq=False)
class _Live:
    """A call under way, and the loop that it lives on."""

    end: End
    loop: asyncio.AbstractEventLoop
    attempt_id: str
    token: str
    pulse: Pulse


class FrontOffice:
    """What jobs, each in its thread, ask of the worker and its one event loop."""

    def __init__(self, dialer: DialerClient, deliveries: Deliveries) -> None:
        self._dialer = dialer
        self._deliveries = deliveries
        self._loop = asyncio.get_running_loop()
        self._live: set[_Live] = set()
        self._taken_over: set[str] = set()

    def reporter(self, owner: Owner) -> Reporter:
        """Give the reporter of one attempt."""
        return self._deliveries.reporter(owner)

    async def permit(self, request: DialRequest) -> PermitAnswer:
        """Ask the dialer for the permit of this attempt."""
        return await self._here(self._dialer.permit(request.attempt_id, request.attempt_token))

    async def return_permit(self, request: DialRequest, why: ReturnReason) -> bool:
        """Give back the permit of this attempt, nobody having been rung with it."""
        return await self._here(
            self._dialer.return_permit(request.attempt_id, request.attempt_token, why)
        )

    async def offer(self, offer: InboundOffer) -> InboundAnswer | None:
        """Offer a call that came in to the dialer."""
        return await self._here(self._dialer.offer(offer))

    async def is_current(self, request: DialRequest) -> bool:
        """Ask the dialer whether this agent still is the one of its attempt."""
        return await self._here(self._dialer.is_current(request.attempt_id, request.attempt_token))

    async def take_over(self, request: DialRequest) -> bool:
        """Ask the dialer to be the one that takes this conversation over."""
        return await self._here(self._take_over(request.attempt_id, request.attempt_token))

    async def hand_over(self, request: DialRequest, *, can_apologise: bool) -> bool:
        """Offer a caller who was not answered to the dialer; say whether it has the call now."""
        asked = self._dialer.hand_over(
            request.attempt_id, request.attempt_token, HandOver(can_apologise=can_apologise)
        )
        return await self._here(asked)

    async def _take_over(self, attempt_id: str, token: str) -> bool:
        # Two dispatches of one rescue may come here; the dialer knows workers, not jobs.
        if token in self._taken_over:
            return False
        self._taken_over.add(token)
        taken = await self._dialer.take_over(attempt_id, token)
        if not taken:
            self._taken_over.discard(token)
        return taken

    def holds(self) -> list[str]:
        """List the attempts that are held here."""
        return sorted({live.attempt_id for live in list(self._live) if not live.pulse.stuck})

    def stuck(self) -> list[str]:
        """List the attempts that stopped responding."""
        return sorted({live.attempt_id for live in list(self._live) if live.pulse.stuck})

    def pulses(self) -> list[Pulse]:
        """List the pulses of the live calls."""
        return [live.pulse for live in list(self._live)]

    def superseded(self, token: str) -> None:
        """Let a call be, which another agent has by now."""
        for live in list(self._live):
            if live.token == token:
                live.loop.call_soon_threadsafe(live.end.decide, SUPERSEDED)

    def enter(self, end: End, request: DialRequest) -> object:
        """Note a live call, which the worker may have to end."""
        loop = asyncio.get_running_loop()
        pulse = Pulse(request.attempt_id)
        live = _Live(end, loop, request.attempt_id, request.attempt_token, pulse)
        self._live.add(live)
        return live

    def leave(self, entry: object) -> None:
        """Forget a call."""
        if isinstance(entry, _Live):
            entry.pulse.stop()
            self._live.discard(entry)
            self._taken_over.discard(entry.token)

    def end_all(self) -> None:
        """End every live call now."""
        ending = Ending(EndedReason.AGENT_ERROR, message="the worker was stopped")
        for live in list(self._live):
            live.loop.call_soon_threadsafe(live.end.decide, ending)

    async def _here(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
