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
from dialer.routing.trunk import Line, Trunk
from telephony.call import WaitingFor

#: Units: seconds. How soon a look is worth while when nobody says that something changed.
POLL = 1.0


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a call may not leave now, and the seconds until it is worth another look."""

    waiting_for: WaitingFor
    look_again: float = POLL


def wish_of(seen: Any) -> Wish:
    """Read what a call needs of a trunk from a row of ``queue.waiting``."""
    given = seen.caller_id if seen.caller_id_given else None
    return Wish(seen.phone_number or "", given, frozenset(seen.refused_by or ()))


@dataclass(slots=True)
class Ways:
    """The trunks of one round, and which of them are closed for the rest of it.

    Units: ``ahead`` in seconds: by how much a token may be had before its moment. Shape:
    ``in_hand`` names the trunks with a token that was taken, and that nothing left with yet.
    """

    lines: Mapping[str, Line]
    standing: dict[str, Standing]
    pacer: Pacer
    ahead: float = 0.0
    in_hand: set[str] = field(default_factory=set[str])
    closed: dict[str, Obstacle] = field(default_factory=dict[str, Obstacle])

    def __post_init__(self) -> None:
        """Close the trunks that are full."""
        for name in self.lines:
            self._close_if_full(name)

    @property
    def none_left(self) -> bool:
        """Whether no call can leave any more in this round."""
        return len(self.closed) == len(self.lines)

    @property
    def paced_for(self) -> float:
        """The seconds for which the pace holds up every call; 0 where a slot may come free."""
        if any(met.waiting_for is not WaitingFor.PACING for met in self.closed.values()):
            return 0.0
        return min((met.look_again for met in self.closed.values()), default=0.0)

    def full(self, name: str) -> None:
        """Hear that a trunk carries as many calls as it may."""
        self.closed[name] = Obstacle(WaitingFor.CAPACITY)

    def unused(self, name: str) -> None:
        """Hear that the call was somebody else's: its token is the next one's."""
        self.in_hand.add(name)

    async def give_back(self) -> None:
        """Give back the tokens that nothing left with."""
        while self.in_hand:
            await self.pacer.give_back(self.in_hand.pop())

    async def find(self, wish: Wish) -> Line | Obstacle:
        """Give the best trunk that can take the call now, with its token, or what is missing."""
        met: list[Obstacle] = []
        trunks = (line.trunk for line in self.lines.values())
        for trunk in choose(trunks, wish, self.standing):
            if trunk.name not in self.closed:
                delay = await self._token(trunk)
                if delay <= 0:
                    self._takes_one(trunk.name)
                    return self.lines[trunk.name]
                # A little later: one look then finds several tokens, and none of them too late.
                self.closed[trunk.name] = Obstacle(WaitingFor.PACING, delay + self.ahead / 2)
            met.append(self.closed[trunk.name])
        # What passes soonest is what it waits for.
        return min(met, key=_soonest, default=Obstacle(WaitingFor.TRUNK))

    async def _token(self, trunk: Trunk) -> float:
        if trunk.name in self.in_hand:
            self.in_hand.discard(trunk.name)
            return 0.0
        return await self.pacer.take(trunk.name, Pace.of(trunk.cps), ahead=self.ahead)

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
