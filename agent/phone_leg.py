"""A phone behind the SIP bridge, whoever called whom: how it answers, vanishes and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final

from livekit import rtc

from agent.ending import End, Ending
from agent.leg import Leg, Report
from agent.logs import get_logger
from agent.phone_silence import PhoneSilence
from agent.verdicts import left_after_answer
from telephony.bridge_hold import Hold
from telephony.call import EndedReason
from telephony.dial_request import DialRequest
from telephony.events import EventType

#: The participant attribute in which the bridge tells how the call stands.
CALL_STATUS: Final = "sip.callStatus"

#: How long two messages about the same end may be apart.
SAME_END: Final = 1.5

#: How long a phone may be gone from the room without a reason. livekit-server closes every signal
#: connection that had something to say in 7.5 seconds without Redis; bridge and agent then connect
#: anew, and the phone was never hung up. Deleting the room sooner would leave it with nobody.
_BACK_WITHIN: Final = 10.0

#: Units: seconds. By then the library is subscribed to who came back, if it will be by itself.
_SUBSCRIBED_WITHIN: Final = 0.5
_TRIES_TO_LISTEN: Final = 8
#: Units: seconds. By then packets have come from who is heard again.
_HEARD_WITHIN: Final = 2.0

log = get_logger(__name__)


class PhoneLeg(Leg, ABC):
    """A phone behind the SIP bridge."""

    phone = True

    def __init__(
        self,
        room: rtc.Room,
        request: DialRequest,
        end: End,
        report: Report,
        *,
        ask_bridge: Callable[[str, str], Awaitable[Hold]],
    ) -> None:
        super().__init__(room, request, end, report)
        self._rang = False
        self._seen = False
        self._silence = PhoneSilence(lambda: ask_bridge(room.name, self.identity))
        self._there = asyncio.Event()
        self._awaited = 0
        self._settled = asyncio.Event()
        self._settled.set()
        self._subscriptions.on(room, "participant_attributes_changed", self._on_attributes)

    async def why_silent(self, seconds: float) -> Ending | None:
        """Judge a phone whose packets stopped so long ago: a dead bridge is no silent carrier."""
        stopped = time.monotonic() - seconds
        while True:
            if not self._settled.is_set():
                # Gone with its server, or back and not heard yet: no silence of its own.
                await self._settled.wait()
                await asyncio.sleep(_HEARD_WITHIN)
            silent = time.monotonic() - stopped
            ending = await self._silence.why(silent, self._let_go)
            # Where it left meanwhile, LiveKit had nobody to ask about: its leaving tells more.
            if self._settled.is_set():
                return ending

    async def until_let_go(self, silent_for: Callable[[], float]) -> Ending:
        """Notice a hang-up whose leaving LiveKit missed."""
        await self._silence.until_let_go(silent_for)
        return self._let_go

    @property
    def _let_go(self) -> Ending:
        return Ending(self.hangs_up_as, proven=True)

    def _on_connected(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self.identity:
            self._there.set()
        self._read_status(participant)

    def _judge_leaving(self) -> None:
        lost = left_after_answer(self.left, phone=True)
        if self.answered.is_set() and lost.reason is EndedReason.BRIDGE_LOST:
            self._there.clear()
            self._start(self._lost_for_good(lost))
        else:
            super()._judge_leaving()

    async def _lost_for_good(self, lost: Ending) -> None:
        """End the call, unless the phone comes back with a bridge that had to connect anew."""
        log.warning("phone_gone")
        self._awaited += 1
        self._settled.clear()
        try:
            await asyncio.wait_for(self._there.wait(), _BACK_WITHIN)
            log.info("phone_back")
            await self._listen_again()
        except TimeoutError:
            self._end.decide(lost)
        finally:
            self._awaited -= 1
            if not self._awaited:
                self._settled.set()

    async def _listen_again(self) -> None:
        """Subscribe anew to who came back to a new server before us.

        The library believes that it is subscribed already, and asks for nothing.
        """
        for _ in range(_TRIES_TO_LISTEN):
            await asyncio.sleep(_SUBSCRIBED_WITHIN)
            phone = self.participant
            if phone is None or self.audio_track is not None:
                return
            log.warning("phone_not_heard")
            for publication in phone.track_publications.values():
                publication.set_subscribed(False)
                publication.set_subscribed(True)

    def _on_attributes(self, _: dict[str, str], participant: rtc.Participant) -> None:
        self._read_status(participant)

    def _read_status(self, participant: rtc.Participant) -> None:
        if participant.identity != self.identity:
            return
        self._seen = True
        match participant.attributes.get(CALL_STATUS):
            case "ringing":
                self._ring()
            case "active":
                self._answer()
            case "hangup" if self.answered.is_set():
                self._start(self._hung_up())
            case _:
                pass

    def _ring(self) -> None:
        if not self._rang:
            self._rang = True
            self._report(EventType.CALL_RINGING)

    async def _hung_up(self) -> None:
        # The reason comes with the participant's leaving, just behind this.
        await asyncio.sleep(SAME_END)
        self._end.decide(Ending(self.hangs_up_as))

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        super()._on_left(participant)
        if participant.identity == self.identity and not self._end.decided:
            self._there.clear()
            if not self.answered.is_set():
                self._start(self._left_before_answer())

    @abstractmethod
    async def _left_before_answer(self) -> None:
        """Judge a phone that left unanswered."""

    async def _ended_within(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), timeout)
