"""Keep the trunks present in LiveKit.

Trunks live in LiveKit's Redis and are lost with it; what is wanted is ours to remember.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from dialer.calls.looping import keep_going
from dialer.calls.signals import Signals
from dialer.routing.trunk import Line, Trunk

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds.
_LOOK_EVERY = 5.0
_FRESH = 1.0


class Wanted(Protocol):
    """Which trunks are wanted."""

    async def trunks(self) -> Sequence[Trunk]:
        """List them.

        Errors: Unavailable when the database cannot be reached.
        """
        ...


class OutboundTrunks(Protocol):
    """Outbound trunks in LiveKit."""

    async def ensure(self, wanted: Sequence[Trunk]) -> Mapping[str, str]:
        """Make these trunks be as wanted, each once; gives their ids by name.

        Shape: a trunk that LiveKit does not take is left out. Errors: Unavailable when LiveKit
        cannot be reached.
        """
        ...


class TrunkKeeper:
    """Looks after the trunks, and knows their ids."""

    def __init__(
        self,
        *,
        livekit: OutboundTrunks,
        wanted: Wanted,
        signals: Signals,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._livekit = livekit
        self._wanted = wanted
        self._signals = signals
        self._clock = clock
        self._lines: Mapping[str, Line] = {}
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        await keep_going("trunks", self.step)

    async def step(self) -> float:
        """Look once."""
        async with self._looking:
            await self._look()
        return _LOOK_EVERY

    async def current(self) -> Mapping[str, Line]:
        """Give the trunks by name as of a second ago at most.

        Errors: Unavailable.
        """
        if not self._fresh:
            async with self._looking:
                # Somebody else may have looked while we waited.
                if not self._fresh:
                    await self._look()
        return self._lines

    @property
    def _fresh(self) -> bool:
        return self._clock() - self._looked_at <= _FRESH

    async def _look(self) -> None:
        wanted = await self._wanted.trunks()
        ids: Mapping[str, str] = await self._livekit.ensure(wanted) if wanted else {}
        lines = {one.name: Line(one, ids[one.name]) for one in wanted if one.name in ids}
        self._looked_at = self._clock()
        was, self._lines = self._lines, lines
        changed = [name for name, line in lines.items() if was.get(name) != line]
        for name in changed:
            log.info("trunk ready", trunk=name, trunk_id=lines[name].id)
        if changed:
            await self._signals.work_waiting()
