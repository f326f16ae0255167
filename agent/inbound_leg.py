"""A caller: somebody who rang one of our numbers, and hears ringing until we answer.

livekit-sip joins the room while the caller rings, and answers (200 OK) once it is subscribed to a
track of ours: publishing the agent's voice is what picks up the phone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from livekit import rtc

from agent.dialer_client import PermitAnswer
from agent.ending import End, Ending
from agent.leg import Report
from agent.phone_leg import SAME_END, PhoneLeg
from telephony.bridge_hold import Hold
from telephony.call import EndedReason
from telephony.dial_request import DialRequest

#: Units: seconds. How long the bridge may take to answer the caller once there is a voice. It sends
#: its 200 up to three times, and then waits a second for the caller's first packet.
_ANSWERED_WITHIN: Final = 8.0


class InboundLeg(PhoneLeg):
    """A caller.

    Shape: the dialer took the call for this agent, so that the room is ours from the start;
    ``pick_up`` publishes the agent's voice.
    """

    hangs_up_as = EndedReason.CALLER_HANGUP

    def __init__(
        self,
        room: rtc.Room,
        request: DialRequest,
        end: End,
        report: Report,
        *,
        pick_up: Callable[[], Awaitable[None]],
        ask_bridge: Callable[[str, str], Awaitable[Hold]],
    ) -> None:
        if request.leg_identity is None:
            raise ValueError("a call that came in needs its caller's identity")
        self.identity = request.leg_identity
        super().__init__(room, request, end, report, ask_bridge=ask_bridge)
        self.permitted = True
        self._pick_up = pick_up

    def joined(self) -> None:
        """Look at the caller, who was there before us, or is gone already."""
        caller = self.participant
        if caller is None:
            self._end.decide(Ending(self.hangs_up_as))
        elif self._request.rescue is None:
            # Answered by an agent that was lost before it could say so, perhaps.
            self._read_status(caller)

    async def reach(self, ask: Callable[[], Awaitable[PermitAnswer]]) -> None:
        """Answer the caller, who rings: nobody is asked, the call is ours already."""
        if not self._end.decided:
            self._start(self._answered_in_time())
            await self._pick_up()

    async def _answered_in_time(self) -> None:
        try:
            await asyncio.wait_for(self.answered.wait(), _ANSWERED_WITHIN)
        except TimeoutError:
            message = "the bridge did not answer the caller"
            self._end.decide(Ending(EndedReason.BRIDGE_LOST, message=message))

    def _ring(self) -> None:
        # It rang before there was anybody to tell it; the record says so already.
        self._rang = True

    async def _left_before_answer(self) -> None:
        if self.left == rtc.DisconnectReason.CLIENT_INITIATED:
            self._end.decide(Ending(self.hangs_up_as))
            return
        await self._ended_within(2 * SAME_END)
        if not self._there.is_set():
            self._end.decide(Ending(EndedReason.BRIDGE_LOST))
