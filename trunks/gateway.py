"""The gateway itself as a place: what is made is written where calls are routed by it.

The file is what is wanted; the gateway's database is what runs. It is reached through a store that
the gateway provides, and compared like any other place: a row that is missing or was changed by
hand is drift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from trunks.desired import Desired
from trunks.faults import closest
from trunks.kept import INBOUND_TRUNK, NUMBER, TRUNK, InboundTrunk, KeptNumber, KeptTrunk, Kind
from trunks.resources import Complaint, Found, Key, Wanted

PLACE = "gateway"

K = TypeVar("K")


class Shelf(Protocol[K]):
    """Where the gateway keeps things of one kind.

    Errors: TrunkError ``unreachable`` where the database is away.
    """

    async def put(self, kept: K, /) -> None:
        """Keep a thing, in place of one with the same name."""
        ...

    async def list(self) -> Sequence[K]:
        """List all."""
        ...

    async def remove(self, name: str, /) -> bool:
        """Forget one; False where there is none of this name."""
        ...


class Store(Protocol):
    """Where the gateway keeps what a file wants."""

    @property
    def trunks(self) -> Shelf[KeptTrunk]:
        """Give the trunks that calls leave by."""
        ...

    @property
    def inbound_trunks(self) -> Shelf[InboundTrunk]:
        """Give the trunks that calls come in by."""
        ...

    @property
    def numbers(self) -> Shelf[KeptNumber]:
        """Give our numbers, whosever they are."""
        ...


#: What the gateway calls the trunk of its settings; one of a file with this name takes its place.
_OF_SETTINGS: Final = "outbound"


@dataclass(frozen=True, slots=True)
class About:
    """What the gateway tells of itself.

    Shape: ``agents`` are the names in its agents file, None where that cannot be read here;
    ``fallback`` is the deployment of a file for its fallback's LiveKit; ``trunk_of_settings`` is
    the address of the trunk that its settings describe, empty where they describe none.
    """

    deployment: str
    agents: frozenset[str] | None
    fallback: str = ""
    trunk_of_settings: str = ""


@dataclass(frozen=True, slots=True)
class Provided:
    """What the gateway hands to this tool: how its store is opened, and what it tells of itself."""

    open_store: Callable[[], AbstractAsyncContextManager[Store]]
    about: Callable[[], About | None] = lambda: None


class Gateway:
    """The port ``trunks.resources.Adapter`` over the gateway's store."""

    def __init__(self, *, store: Store, deployment: str, about: About | None = None) -> None:
        self._about = about
        places: list[_Place[Any]] = [
            _Place(NUMBER, store.numbers, deployment),
            _Place(TRUNK, store.trunks, deployment),
            _Place(INBOUND_TRUNK, store.inbound_trunks, deployment),
        ]
        self._places = {place.kind.name: place for place in places}

    @property
    def place(self) -> str:
        """Name the place."""
        return PLACE

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Want every trunk of the file, and every number that is answered.

        Shape: nothing of a file for the fallback's LiveKit: who answers a number is told by that
        for our own, and so is what is made again.
        """
        if self._about is not None and self._about.fallback == desired.deployment:
            return []
        return [one for place in self._places.values() for one in place.wanted(desired)]

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Doubt what this gateway would not answer."""
        return [] if self._about is None else [*_doubts(desired, self._about)]

    async def found(self) -> Sequence[Found]:
        """List what is kept."""
        return [one for place in self._places.values() for one in await place.found()]

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Keep a thing."""
        return await self._places[wanted.key.kind].put(wanted)

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Keep it as it is wanted now."""
        place = self._places[wanted.key.kind]
        kept = await place.put(wanted)
        if found.id != kept.id:
            await place.remove(found.id)
        return kept

    async def delete(self, found: Found) -> None:
        """Forget it."""
        await self._places[found.what].remove(found.id)

    async def aclose(self) -> None:
        """Leave the store to who opened it."""


class _Place(Generic[K]):
    """Things of one kind."""

    def __init__(self, kind: Kind[K], shelf: Shelf[K], deployment: str) -> None:
        self.kind = kind
        self.remove = shelf.remove
        self._shelf = shelf
        self._deployment = deployment

    def wanted(self, desired: Desired) -> Iterator[Wanted]:
        for kept in self.kind.of_file(desired):
            name = _name(kept)
            yield Wanted(
                Key(PLACE, self.kind.name, desired.mark(name)),
                self.kind.fields(kept),
                secrets=self.kind.secrets,
                explain=self.kind.explain(kept),
                claims=self._claims(name),
            )

    async def found(self) -> list[Found]:
        return [self._found(kept) for kept in await self._shelf.list()]

    async def put(self, wanted: Wanted) -> Found:
        name = wanted.key.name.partition("/")[2]
        kept = self.kind.of_fields(self._deployment, name, wanted.fields)
        await self._shelf.put(kept)
        return self._found(kept)

    def _found(self, kept: K) -> Found:
        name, thing = _name(kept), self.kind.name
        ours = _deployment(kept) == self._deployment
        return Found(
            Key(PLACE, thing, f"{self._deployment}/{name}") if ours else None,
            name,
            self.kind.fields(kept),
            label=self.kind.label(kept),
            kind=thing,
            claims=self._claims(name),
        )

    def _claims(self, name: str) -> frozenset[str]:
        return frozenset({f"{self.kind.name}:{name}"})


def _name(kept: Any) -> str:
    return kept.name


def _deployment(kept: Any) -> str:
    return kept.deployment


def _routed_beside(desired: Desired) -> bool:
    """Tell whether calls leave by trunks of the file that do not replace the settings' one."""
    leaving = [name for name, trunk in desired.trunks.items() if trunk.outbound is not None]
    return bool(leaving) and _OF_SETTINGS not in leaving


def _doubts(desired: Desired, about: About) -> Iterator[Complaint]:
    answered = {digits: route for digits in desired.numbers if (route := desired.route_of(digits))}
    if answered and desired.deployment not in (about.deployment, about.fallback):
        said = (
            f"The gateway's DEPLOYMENT is {about.deployment}: it answers no call that comes in by "
            f"trunks of {desired.deployment}."
        )
        yield Complaint(("deployment",), "other_deployment", said, warning=True)
    if (address := about.trunk_of_settings) and _routed_beside(desired):
        said = (
            f"SIP_TRUNK_ADDRESS is {address}: calls leave by that trunk too, with a pace of its "
            "own. Empty it and SIP_CALLER_IDS, unless you want both."
        )
        yield Complaint(("trunks",), "trunk_beside", said, warning=True)
    for digits, route in answered.items():
        shared = desired.numbers[digits].route
        path = ("inbound_routes", shared) if shared else ("numbers", digits, "inbound")
        if about.agents is None:
            said = "The gateway's agents file (AGENTS_FILE) cannot be read here, to look for it."
            yield Complaint((*path, "agent"), "unknown_agent", said, warning=True)
        elif route.agent not in about.agents:
            meant = closest(route.agent, sorted(about.agents))
            said = f"The agents file has no {route.agent}: no agent would answer. {meant}"
            yield Complaint((*path, "agent"), "unknown_agent", said, warning=True)
