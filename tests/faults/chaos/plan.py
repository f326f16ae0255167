"""What one round will do, drawn from its seed alone: the calls, and when something is killed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Order:
    """A call to be placed.

    Units: seconds since the round began; ``hang_up_after`` counts from the 202.
    """

    at: float
    behaviour: str
    body: dict[str, Any]
    hang_up_after: float | None = None


@dataclass(frozen=True, slots=True)
class Kill:
    """A process to be killed; ``draw`` (0 to 1) chooses it among those that can be."""

    at: float
    draw: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One round."""

    seed: int
    number: int
    orders: tuple[Order, ...]
    kills: tuple[Kill, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    weight: int
    behaviour: str
    number: str | None
    fields: dict[str, Any]
    hang_up_after: tuple[float, float] | None = None


def _phone(
    weight: int,
    behaviour: str,
    number: int,
    hang_up_after: tuple[float, float] | None = None,
    **fields: int,
) -> _Kind:
    return _Kind(weight, behaviour, f"+1415555{number:04}", fields, hang_up_after)


#: Short calls mostly, so that many are at every stage when something is killed.
_KINDS: Final = (
    _phone(5, "hangs_up", 112),
    _phone(4, "silent, hung up", 101, (3, 8)),
    _phone(2, "silent, too long", 101, max_duration_seconds=10),
    _phone(3, "busy", 102),
    _phone(2, "no_answer", 103, ring_timeout_seconds=6),
    _phone(2, "early_bye", 143),
    _phone(1, "declined", 104),
    _phone(1, "not_found", 105),
    _phone(1, "service_unavailable", 108),
    _phone(1, "server_error", 109),
    _phone(1, "late_answer", 115, max_duration_seconds=10),
    _phone(1, "sends_dtmf", 113, (4, 7)),
    _phone(1, "glare", 116, ring_timeout_seconds=5),
    _phone(1, "trying_only", 117, ring_timeout_seconds=5),
    _phone(1, "mute", 118, ring_timeout_seconds=5),
    _phone(1, "talks", 100, max_duration_seconds=15),
    _phone(2, "ringing, hung up", 103, (0.5, 4)),
    _phone(1, "canceled at once", 101, (0.0, 0.3)),
    _Kind(1, "voip", None, {"call_type": "voip", "ring_timeout_seconds": 5}),
)


def draw(
    seed: int,
    number: int,
    *,
    kills: int,
    kill_every: tuple[float, float] = (1.5, 3.5),
    call_every: tuple[float, float] = (0.7, 1.8),
) -> Plan:
    """Draw a round; the same seed and number give the same one."""
    dice = random.Random(f"{seed}:{number}")
    moments = list(itertools.islice(_times(dice, kill_every), kills))
    killed = tuple(Kill(at, dice.random()) for at in moments)
    end = killed[-1].at + 1.0 if killed else 10.0
    placed = itertools.takewhile(lambda at: at < end, _times(dice, call_every))
    return Plan(seed, number, tuple(_order(dice, at) for at in list(placed)), killed)


def _times(dice: random.Random, every: tuple[float, float]) -> Iterator[float]:
    at = 0.0
    while True:
        at += dice.uniform(*every)
        yield round(at, 2)


def _order(dice: random.Random, at: float) -> Order:
    (kind,) = dice.choices(_KINDS, [kind.weight for kind in _KINDS])
    body = dict(kind.fields)
    if kind.number is not None:
        body |= {"call_type": "sip", "phone_number": kind.number}
    after = None if kind.hang_up_after is None else round(dice.uniform(*kind.hang_up_after), 2)
    return Order(at, kind.behaviour, body, after)
