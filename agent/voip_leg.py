"""A browser that joins the room by itself."""

from __future__ import annotations

import asyncio
import contextlib

from livekit import rtc

from agent.ending import End, Ending
from agent.leg import Leg, Report
from telephony.call import EndedReason
from telephony.dial_request import DialRequest
from telephony.worker_contract import BROWSER_IDENTITY


class VoipLeg(Leg):
    """A browser that joins the room by itself."""

    identity = BROWSER_IDENTITY
    phone = False

    def __init__(self, room: rtc.Room, request: DialRequest, end: End, report: Report) -> None:
        super().__init__(room, request, end, report)
        self._subscriptions.on(room, "track_subscribed", self._on_track)

    def _reach(self) -> None:
        # A browser comes by itself.
        self._start(self._guard())
        if self.audio_track is not None:
            self._answer()

    async def _guard(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.answered.wait(), self._request.limits.ring_timeout_seconds)
        if not self.answered.is_set():
            self._end.decide(Ending(EndedReason.RING_TIMEOUT))

    def _on_track(
        self,
        track: rtc.Track,
        _: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        if participant.identity != self.identity or track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        # Who comes while we ask for the permit is answered with it: an answer that is told first
        # would have the permit refused, and the browser would sit in the room alone.
        if self.permitted:
            self._answer()

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        super()._on_left(participant)
        if participant.identity == self.identity:
            self._end.decide(Ending(EndedReason.CALLEE_HANGUP))
