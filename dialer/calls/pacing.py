"""How fast new calls may leave through a trunk: the carrier counts them by the second."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

#: Units: seconds. How long a trunk that was slowed down stays so before its pace is doubled again.
RECOVERY = 10.0
#: Units: seconds. What comes so soon after a slow-down was sent before it, and tells nothing new.
SAME_SIGN = 1.0
_LEAST_SHARE = 1 / 16


@dataclass(frozen=True, slots=True)
class Slowness:
    """The share of its pace that a trunk was left with, and when.

    Units: seconds of whichever clock asks.
    """

    share: float = 1.0
    since: float = -math.inf

    def share_at(self, now: float) -> float:
        """Give the share of the pace that holds now."""
        if self.share >= 1 or now - self.since >= 8 * RECOVERY:
            return 1.0
        return min(1.0, self.share * 2.0 ** int(max(0.0, now - self.since) / RECOVERY))

    def slower(self, now: float) -> Slowness:
        """Halve what holds now, or stay where the sign is about what was sent before."""
        if now - self.since < SAME_SIGN:
            return self
        return Slowness(max(_LEAST_SHARE, self.share_at(now) / 2), now)


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

    def of_share(self, share: float) -> Pace:
        """Give a part of this pace."""
        return self if share >= 1 else Pace.of(self.calls / self.seconds * share)


class Pacer(Protocol):
    """Gives a token for each call that may leave."""

    async def take(self, trunk: str, pace: Pace, *, ahead: float = 0.0) -> float:
        """Take a token: 0 or less when there was one, else the seconds until one may be had.

        Units: ``ahead`` in seconds, shorter than the pace's own. Shape: a token may be had by so
        much before its moment, and counts at its moment: who comes in time loses none of the pace
        to his own slowness. What is below 0 is how far away that moment is.
        """
        ...

    async def give_back(self, trunk: str) -> None:
        """Give back the newest token that this process took: nothing left with it."""
        ...

    async def slow_down(self, trunk: str) -> None:
        """Halve the trunk's pace, because its carrier says that calls come too fast.

        Shape: it comes back by itself, doubled every ``RECOVERY`` seconds.
        """
        ...


class RollingPacer:
    """Tokens counted in this process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._given: dict[str, deque[float]] = {}
        self._slow: dict[str, Slowness] = {}

    async def take(self, trunk: str, pace: Pace, *, ahead: float = 0.0) -> float:
        """Take a token, or say how long to wait."""
        now = self._clock()
        slow = pace.of_share(self._slow.get(trunk, Slowness()).share_at(now))
        given = self._given.setdefault(trunk, deque())
        while given and given[0] <= now - max(pace.seconds, slow.seconds):
            given.popleft()
        # Both windows: when the pace comes back, what left slowly still counts.
        moment = max(now, *(_moment(given, one) for one in (pace, slow)))
        if moment - now > ahead:
            return moment - now - ahead
        given.append(moment)
        return now - moment

    async def give_back(self, trunk: str) -> None:
        """Give back the newest token."""
        if given := self._given.get(trunk):
            given.pop()

    async def slow_down(self, trunk: str) -> None:
        """Halve the trunk's pace for a while."""
        self._slow[trunk] = self._slow.get(trunk, Slowness()).slower(self._clock())


def _moment(given: deque[float], pace: Pace) -> float:
    """Give the first moment that one more token may have; none comes before the newest."""
    newest = given[-1] if given else -math.inf
    if len(given) < pace.calls:
        return newest
    return max(newest, given[len(given) - pace.calls] + pace.seconds)
