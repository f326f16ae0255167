"""Keep the one outbound trunk of the settings present in LiveKit.

Trunks live in LiveKit's Redis and are lost with it; what is wanted is ours to remember.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import structlog

from dialer.calls.looping import keep_going
from dialer.calls.signals import Signals

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds.
_LOOK_EVERY = 5.0
_FRESH = 1.0


@dataclass(frozen=True, slots=True)
class WantedTrunk:
    """The trunk as the settings want it.

    Shape: ``name`` marks it as ours in LiveKit; ``numbers`` are the caller IDs.
    """

    name: str
    address: str
    transport: Literal["udp", "tcp", "tls", "auto"]
    numbers: tuple[str, ...] = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    media_encryption: Literal["disable", "allow", "require"] = "disable"


class Trunks(Protocol):
    """Outbound trunks in LiveKit."""

    async def ensure(self, wanted: WantedTrunk) -> str:
        """Make the trunk of this name be as wanted, once; gives its id.

        Errors: Unavailable when LiveKit cannot be reached or does not do it.
        """
        ...


class TrunkKeeper:
    """Looks after the trunk, and knows its id."""

    def __init__(
        self,
        *,
        trunks: Trunks,
        wanted: WantedTrunk | None,
        signals: Signals,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trunks = trunks
        self._wanted = wanted
        self._signals = signals
        self._clock = clock
        self._id: str | None = None
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        await keep_going("trunk", self.step)

    async def step(self) -> float:
        """Look once."""
        await self._look()
        return _LOOK_EVERY

    async def current(self) -> str | None:
        """Give the trunk's id as of a second ago at most, None when none is wanted.

        Errors: Unavailable.
        """
        if self._wanted is not None and self._clock() - self._looked_at > _FRESH:
            await self._look()
        return self._id

    async def _look(self) -> None:
        if self._wanted is None:
            return
        async with self._looking:
            trunk_id = await self._trunks.ensure(self._wanted)
            self._looked_at = self._clock()
            if trunk_id == self._id:
                return
            log.info("trunk ready", trunk_id=trunk_id, was=self._id)
            self._id = trunk_id
        await self._signals.work_waiting()
