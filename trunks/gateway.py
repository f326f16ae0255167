"""The gateway itself as a place: what is made is written where calls are routed by it.

The file is what is wanted; the gateway's database is what runs. It is reached through a store that
the gateway provides, and compared like any other place: a row that is missing or was changed by
hand is drift.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from trunks.desired import Desired, Encryption, Outbound, Transport, Trunk
from trunks.resources import Complaint, Found, Key, Value, Wanted

PLACE = "gateway"
_KIND = "trunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTrunk:
    """A trunk that calls are routed by.

    Shape: ``name`` is its name in the file, and ``deployment`` whose it is, empty where nobody
    made it by a file; ``livekit_name`` is what LiveKit calls it.
    """

    name: str
    deployment: str
    livekit_name: str
    address: str
    transport: Transport
    encryption: Encryption
    numbers: tuple[str, ...] = field(repr=False)
    username: str
    password: str = field(repr=False)
    prefixes: tuple[str, ...]
    priority: int
    cps: float
    concurrency: int | None
    destination_country: str
    headers: Mapping[str, str] = field(repr=False)


class Store(Protocol):
    """Where the gateway keeps its trunks.

    Errors: TrunkError ``unreachable`` where the database is away.
    """

    async def put(self, trunk: KeptTrunk) -> None:
        """Keep a trunk, in place of one with the same name."""
        ...

    async def list(self) -> Sequence[KeptTrunk]:
        """List all."""
        ...

    async def remove(self, name: str) -> bool:
        """Forget one; False where there is none of this name."""
        ...


@dataclass(frozen=True, slots=True)
class Provided:
    """What the gateway hands to this tool: how its store is opened."""

    open_store: Callable[[], AbstractAsyncContextManager[Store]]


class Gateway:
    """The port ``trunks.resources.Adapter`` over the gateway's store."""

    def __init__(self, *, store: Store, deployment: str) -> None:
        self._store = store
        self._deployment = deployment

    @property
    def place(self) -> str:
        """Name the place."""
        return PLACE

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Want every trunk that calls leave by."""
        return [
            _wanted(desired, name, trunk, trunk.outbound)
            for name, trunk in desired.trunks.items()
            if trunk.outbound is not None
        ]

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Take whatever the file says."""
        return ()

    async def found(self) -> Sequence[Found]:
        """List what is kept."""
        return [self._found(kept) for kept in await self._store.list()]

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Keep a trunk."""
        kept = self._kept(wanted)
        await self._store.put(kept)
        return self._found(kept)

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Keep it as it is wanted now."""
        kept = self._kept(wanted)
        await self._store.put(kept)
        if found.id != kept.name:
            await self._store.remove(found.id)
        return self._found(kept)

    async def delete(self, found: Found) -> None:
        """Forget it."""
        await self._store.remove(found.id)

    async def aclose(self) -> None:
        """Leave the store to who opened it."""

    def _found(self, kept: KeptTrunk) -> Found:
        ours = kept.deployment == self._deployment
        return Found(
            Key(PLACE, _KIND, f"{self._deployment}/{kept.name}") if ours else None,
            kept.name,
            _fields(kept),
            label=kept.name,
            kind=_KIND,
            claims=_claims(kept.name),
        )

    def _kept(self, wanted: Wanted) -> KeptTrunk:
        fields = cast("Mapping[str, Any]", wanted.fields)
        name = wanted.key.name.partition("/")[2]
        return KeptTrunk(name=name, deployment=self._deployment, **fields)


def _wanted(desired: Desired, name: str, trunk: Trunk, outbound: Outbound) -> Wanted:
    kept = KeptTrunk(
        name=name,
        deployment=desired.deployment,
        livekit_name=desired.mark(name),
        address=desired.address_of(name),
        transport=trunk.transport,
        encryption=trunk.encryption,
        numbers=desired.numbers_by_trunk[name],
        username=outbound.username or "",
        password=outbound.password.get_secret_value() if outbound.password else "",
        prefixes=outbound.prefixes,
        priority=outbound.priority,
        cps=outbound.cps,
        concurrency=outbound.concurrency,
        destination_country=outbound.destination_country or "",
        headers=dict(outbound.headers),
    )
    return Wanted(
        Key(PLACE, _KIND, desired.mark(name)),
        _fields(kept),
        secrets=frozenset({"password"}),
        explain="calls are routed by it",
        claims=_claims(name),
    )


#: What is compared: all but whose it is and what it is called, which its key tells.
_COMPARED = tuple(
    name for name in KeptTrunk.__dataclass_fields__ if name not in ("name", "deployment")
)


def _fields(kept: KeptTrunk) -> dict[str, Value]:
    return {name: getattr(kept, name) for name in _COMPARED}


def _claims(name: str) -> frozenset[str]:
    return frozenset({f"name:{name}"})
