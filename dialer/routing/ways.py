"""The ways that calls can take in one round of the dispatcher.

A trunk that is full, or whose pace allows no more for the moment, is passed by: the call takes the
next trunk that can carry it, and the calls behind it are not held up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dialer.calls.pacing import Pace, Pacer
from dialer.routing.choose import Standing, Wish, choose
from dialer.routing.health import Breaker
from dialer.routing.trunk import Line
from telephony.call import WaitingFor

#: Units: seconds. How soon a look is worth while when nobody says that something changed.
POLL = 1.0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a call may not leave now, and the seconds until it is worth another look."""

    waiting_for: WaitingFor
    look_again: float = POLL


def wish_of(seen: Any) -> Wish:
    """Read what a call needs of a trunk from a row of ``claims.waiting``."""
    given = seen.caller_id if seen.caller_id_given else None
    return Wish(seen.phone_number or "", given, frozenset(seen.refused_by or ()))


@dataclass(slots=True)
class Ways:
    """The trunks of one round, and which of them are closed for the rest of it."""

    lines: Mapping[str, Line]
    standing: dict[str, Standing]
    pacer: Pacer
    closed: dict[str, Obstacle] = field(default_factory=dict[str, Obstacle])

    def __post_init__(self) -> None:
        """Close the trunks that are full."""
        for name in self.lines:
            self._close_if_full(name)

    @property
    def none_left(self) -> bool:
        """Whether no call can leave any more in this round."""
        return len(self.closed) == len(self.lines)

    def full(self, name: str) -> None:
        """Hear that a trunk carries as many calls as it may."""
        self.closed[name] = Obstacle(WaitingFor.CAPACITY)

    async def find(self, wish: Wish) -> Line | Obstacle:
        """Give the best trunk that can take the call now, with its token, or what is missing."""
        met: list[Obstacle] = []
        trunks = (line.trunk for line in self.lines.values())
        for trunk in choose(trunks, wish, self.standing):
            if trunk.name not in self.closed:
                delay = await self.pacer.take(trunk.name, Pace.of(trunk.cps))
                if delay <= 0:
                    self._takes_one(trunk.name)
                    return self.lines[trunk.name]
                self.closed[trunk.name] = Obstacle(WaitingFor.PACING, delay)
            met.append(self.closed[trunk.name])
        # What passes soonest is what it waits for.
        return min(met, key=_soonest, default=Obstacle(WaitingFor.TRUNK))

    def _takes_one(self, name: str) -> None:
        was = self.standing[name]
        # One call tries a trunk that failed; the others do not wait for what becomes of it.
        breaker = Breaker.OPEN if was.breaker is Breaker.HALF_OPEN else was.breaker
        self.standing[name] = replace(was, breaker=breaker, carries=was.carries + 1)
        self._close_if_full(name)

    def _close_if_full(self, name: str) -> None:
        at_most = self.lines[name].trunk.concurrency
        if at_most is not None and self.standing[name].carries >= at_most:
            self.full(name)


def _soonest(obstacle: Obstacle) -> tuple[bool, float]:
    return obstacle.waiting_for is not WaitingFor.PACING, obstacle.look_again
