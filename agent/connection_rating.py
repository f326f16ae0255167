"""How LiveKit rates the callee's connection, which tells a dead bridge from a silent carrier."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from livekit import rtc

from agent.ending import Ending
from agent.verdicts import (
    BAD_RATINGS,
    silenced,
)
from telephony.call import EndedReason

#: Before so much of a silence a poor rating may still be about the packets before it.
_SURE_AFTER: Final = 8.0

#: A bridge that died earlier in a call than this may have sent no sender report yet; without one
#: LiveKit rates its silence like a carrier's.
_REPORTS_AFTER: Final = 5.0

#: By then a silence that no rating explains was explained by the callee's leaving: LiveKit lets go
#: of a dead bridge after some twenty seconds, and a living one ends the call after fifteen.
_EXPLAINED_WITHIN: Final = 25.0


class ConnectionRating:
    """What LiveKit last said of the callee's connection."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self._answered_at: float | None = None
        self._rated: tuple[rtc.ConnectionQuality, float] | None = None
        self._news = asyncio.Event()

    def answered(self) -> None:
        """Note when the callee answered; only the first time counts."""
        if self._answered_at is None:
            self._answered_at = time.monotonic()

    async def why_silent(self, seconds: float) -> Ending:
        """Judge a callee whose packets stopped so long ago: a dead bridge is no silent carrier.

        Shape: takes some seconds where LiveKit has not rated the silence yet, or where its rating
        tells nothing; an end that is decided meanwhile stands.
        """
        stopped = time.monotonic() - seconds
        give_up = stopped + _EXPLAINED_WITHIN
        while (rating := self._rating_of(stopped)) is None:
            self._news.clear()
            left = give_up - time.monotonic()
            if left <= 0:
                return Ending(EndedReason.MEDIA_TIMEOUT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)
        return silenced(rating)

    def _rating_of(self, stopped: float) -> rtc.ConnectionQuality | None:
        """Give LiveKit's rating of a silence that began then, once it tells something."""
        if self._rated is None:
            return None
        rating, when = self._rated
        if rating == rtc.ConnectionQuality.QUALITY_LOST:
            return rating if when >= stopped else None
        early = self._answered_at is not None and stopped < self._answered_at + _REPORTS_AFTER
        return rating if when >= stopped + _SURE_AFTER and not early else None

    def on_quality(self, participant: rtc.Participant, quality: rtc.ConnectionQuality) -> None:
        """Note a rating of somebody's connection."""
        # Until LiveKit is sure, it repeats the good rating from before the silence.
        if participant.identity == self._identity and quality in BAD_RATINGS:
            self._rated = (quality, time.monotonic())
            self._news.set()
