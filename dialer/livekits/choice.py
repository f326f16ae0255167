"""Which LiveKit do new calls go to? Decided before anybody is dialled, and never again for a call.

A call stays at the LiveKit that its room was made in, which the room's name tells. What is chosen
here is only where the next room is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from dialer import metrics
from dialer.calls.looping import keep_going
from dialer.livekits.condition import Condition
from dialer.livekits.livekit import LiveKit
from dialer.livekits.switch import Use
from telephony.errors import Unavailable
from telephony.worker_contract import LiveKitName

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds. How often the one in use is looked at, and the other.
_LOOK_EVERY: Final = 1.0
_LOOK_ASIDE_EVERY: Final = 5.0
_PATIENCE: Final = 2.0


async def _auto() -> Use:
    return Use.AUTO


async def _nobody() -> None:
    """Tell nobody."""


class LiveKits:
    """Our LiveKit, and perhaps one that stands in for it.

    Shape: ``wanted`` tells how the switch stands; ``moved`` is called when new calls begin to go
    elsewhere.
    """

    def __init__(
        self,
        own: LiveKit,
        fallback: LiveKit | None = None,
        *,
        wanted: Callable[[], Awaitable[Use]] = _auto,
        moved: Callable[[], Awaitable[None]] = _nobody,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.own = own
        self.fallback = fallback
        self._wanted = wanted
        self._moved = moved
        self._clock = clock
        self._use = Use.AUTO
        self._conditions = {one.name: Condition() for one in self.all}
        self._looked: dict[LiveKitName, float] = {}

    @property
    def all(self) -> tuple[LiveKit, ...]:
        """Give them all, our own first."""
        return (self.own,) if self.fallback is None else (self.own, self.fallback)

    def of(self, room: str) -> LiveKit:
        """Give the one that a room is in."""
        return next((one for one in self.all if one.realm.holds(room)), self.own)

    def named(self, name: LiveKitName) -> LiveKit | None:
        """Give the one of this name, None where there is none."""
        return next((one for one in self.all if one.name is name), None)

    @property
    def current(self) -> LiveKit:
        """Give the one that new calls go to.

        Shape: as the switch says; on its own the fallback while our own alone is down.
        """
        if self.fallback is None or self._use is Use.OWN:
            return self.own
        own, other = (self._conditions[one.name].up for one in (self.own, self.fallback))
        if self._use is Use.FALLBACK or (other and not own):
            return self.fallback
        return self.own

    async def run(self) -> None:
        """Look until cancelled; there is nothing to choose where there is one alone."""
        await keep_going("livekits", self.step)

    async def step(self) -> float:
        """Look once; gives the seconds to the next look."""
        before = self.current
        with suppress(Unavailable):  # It stands as it stood when it was last read.
            self._use = await self._wanted()
        await asyncio.gather(*(self._look_at(one) for one in self.all if self._is_due(one)))
        self._tell()
        if self.current is not before:
            log.warning(
                "new calls go elsewhere", livekit=self.current.name.value, switch=self._use.value
            )
            await self._moved()
        return _LOOK_EVERY

    def _is_due(self, one: LiveKit) -> bool:
        every = _LOOK_EVERY if one is self.current else _LOOK_ASIDE_EVERY
        # A tenth less: what is due with this look is not to wait for the next one.
        since = self._clock() - self._looked.get(one.name, float("-inf"))
        return since >= 0.9 * every

    async def _look_at(self, one: LiveKit) -> None:
        self._looked[one.name] = self._clock()
        condition, was = self._conditions[one.name], self._conditions[one.name].up
        condition.saw(answered=await _answers(one), at=self._clock())
        if condition.up and not was:
            log.info("livekit is up", livekit=one.name.value)
        elif was and not condition.up:
            log.warning("livekit is down", livekit=one.name.value)

    def _tell(self) -> None:
        for one in self.all:
            metrics.LIVEKIT_UP.labels(one.name.value).set(self._conditions[one.name].up)
            metrics.LIVEKIT_IN_USE.labels(one.name.value).set(one is self.current)


async def _answers(one: LiveKit) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            await one.rooms.list(one.realm.prefix)
    except (Unavailable, TimeoutError):
        return False
    return True
