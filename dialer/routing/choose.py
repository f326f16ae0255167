"""Which trunk for this call? Pure: what is known goes in, an order comes out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from dialer.routing.health import Breaker, Health
from dialer.routing.trunk import Trunk


@dataclass(frozen=True, slots=True)
class Wish:
    """What a call needs of a trunk.

    Shape: ``caller_id`` is the number that it must show, None where the trunk may choose;
    ``refused_by`` names the trunks that it tried.
    """

    to: str
    caller_id: str | None = None
    refused_by: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a trunk stands: whether it is to be left alone, how well it does, what it carries now."""

    breaker: Breaker = Breaker.CLOSED
    health: Health = field(default_factory=Health)
    carries: int = 0


_UNKNOWN = Standing()


def fitting(trunks: Iterable[Trunk], wish: Wish) -> list[Trunk]:
    """List the trunks that can carry the call at all."""
    return [
        trunk
        for trunk in trunks
        if trunk.enabled
        and trunk.name not in wish.refused_by
        and trunk.fit(wish.to) is not None
        and trunk.shows(wish.caller_id, to=wish.to) is not None
    ]


def choose(
    trunks: Iterable[Trunk], wish: Wish, standing: Mapping[str, Standing] | None = None
) -> list[Trunk]:
    """List the trunks that can carry the call, the best first.

    Shape: the longest prefix wins, then the lowest priority, then the one that fails less, then
    the one that carries less. A trunk whose breaker is open comes after all others: it is better
    than none. One that is half open is tried in its turn.
    """
    known = standing or {}

    def place(trunk: Trunk) -> tuple[bool, int, int, float, int, str]:
        stands = known.get(trunk.name, _UNKNOWN)
        # One that is half open failed again and again, or it would not be: its turn is to try it.
        grade = 1.0 if stands.breaker is Breaker.HALF_OPEN else stands.health.grade
        return (
            stands.breaker is Breaker.OPEN,
            -(trunk.fit(wish.to) or 0),
            trunk.priority,
            -grade,
            stands.carries,
            trunk.name,
        )

    return sorted(fitting(trunks, wish), key=place)
