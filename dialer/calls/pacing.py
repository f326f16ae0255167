"""How fast new calls may leave through a trunk: the carrier counts them by the second."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pace:
    """At most ``calls`` in any window of ``seconds``."""

    calls: int
    seconds: float

    @classmethod
    def of(cls, cps: float) -> Pace:
        """Give the pace for a number of calls per second; below one, the window grows."""
        if cps >= 1:
            return cls(math.floor(cps), 1.0)
        return cls(1, 1.0 / cps)


class Pacer(Protocol):
    """Gives a token for each call that may leave."""

    async def take(self, trunk: str, pace: Pace) -> float:
        """Take a token: 0 when there was one, else the seconds until one may be free."""
        ...


class RollingPacer:
    """Tokens counted in this process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._given: dict[str, deque[float]] = {}

    async def take(self, trunk: str, pace: Pace) -> float:
        """Take a token, or say how long to wait."""
        now = self._clock()
        given = self._given.setdefault(trunk, deque())
        while given and given[0] <= now - pace.seconds:
            given.popleft()
        if len(given) >= pace.calls:
            return given[len(given) - pace.calls] + pace.seconds - now
        given.append(now)
        return 0.0
