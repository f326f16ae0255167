"""Watches whether the callee's audio still arrives, packet by packet.

The bridge ends a call without media too, but what it says then looks like a hang-up. Counting the
packets tells the two apart.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from livekit import rtc

from agent.ending import Ending
from agent.logs import get_logger

_UNTIL_SEEN = 0.25
_AFTER = 1.0
#: A call that ended this close to its media timeout ended because of it.
_CLOSE = 0.75

log = get_logger(__name__)


async def packets_received(track: rtc.Track) -> int:
    """Count the packets that have come in on a track."""
    for stats in await track.get_stats():
        if stats.HasField("inbound_rtp"):
            return int(stats.inbound_rtp.received.packets_received)
    return 0


class MediaWatch:
    """Counts the callee's packets from the answer on.

    Shape: ``count`` gives the packets so far, None while there is no track. A count that fails
    tells nothing, so it is never taken for lost media.
    """

    def __init__(
        self,
        count: Callable[[], Awaitable[int | None]],
        *,
        timeout: timedelta,
        initial: timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._timeout = timeout.total_seconds()
        self._initial = initial.total_seconds()
        self._clock = clock
        self._packets: int = 0
        self._blind = False
        self._moved = clock()
        self.seen = False

    async def until_lost(self) -> None:
        """Return when no packet has come for too long."""
        self._moved = self._clock()
        while not self.lost:
            await self.look()
            await asyncio.sleep(_AFTER if self.seen else _UNTIL_SEEN)

    async def judged_by(self, judge: Callable[[float], Awaitable[Ending | None]]) -> Ending | None:
        """Wait until no packet has come for too long, and have the silence judged.

        Shape: ``judge`` is told its seconds, and is not heard once packets come again.
        """
        while True:
            await self.until_lost()
            judging = asyncio.ensure_future(judge(self.silent_for))
            back = asyncio.ensure_future(self.until_moved())
            try:
                await asyncio.wait([judging, back], return_when=asyncio.FIRST_COMPLETED)
                if judging.done():
                    return judging.result()
            finally:
                judging.cancel()
                back.cancel()

    async def look(self) -> None:
        """Count once."""
        try:
            packets = await self._count()
        except Exception as error:
            if not self._blind:
                log.warning("packets_not_counted", error=type(error).__name__)
            self._blind = True
            self._moved = self._clock()
            return
        self._blind = False
        # Fewer than before: the bridge connected anew, and counts from the beginning.
        if packets is not None and packets != self._packets:
            self._packets = packets
            self._moved = self._clock()
            self.seen = self.seen or packets > 0

    async def until_moved(self) -> None:
        """Return when packets come again."""
        before = self._moved
        while self._moved == before:
            await asyncio.sleep(_UNTIL_SEEN)
            await self.look()

    @property
    def _limit(self) -> float:
        return self._timeout if self.seen else self._initial

    @property
    def silent_for(self) -> float:
        """Give the seconds since the newest packet was counted."""
        return self._clock() - self._moved

    @property
    def lost(self) -> bool:
        """Whether no packet has come for too long."""
        return self.silent_for >= self._limit

    @property
    def nearly_lost(self) -> bool:
        """Whether an end at this moment is one for want of media, whoever ended it."""
        return self.silent_for >= self._limit * _CLOSE
