"""What the gateway keeps of a file, in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from trunks.gateway import Store
from trunks.kept import InboundTrunk, KeptNumber, KeptTrunk

K = TypeVar("K")


class InMemory(Generic[K]):
    """The port ``trunks.gateway.Shelf`` over a mapping of names to things."""

    def __init__(self, kept: dict[str, K]) -> None:
        self._kept = kept

    async def put(self, kept: Any, /) -> None:
        """Keep a thing, in place of one with the same name."""
        self._kept[kept.name] = kept

    async def list(self) -> Sequence[K]:
        """List all."""
        return list(self._kept.values())

    async def remove(self, name: str, /) -> bool:
        """Forget one."""
        return self._kept.pop(name, None) is not None


@dataclass(slots=True)
class KeptTrunks:
    """The port ``trunks.gateway.Store``; ``kept`` are the trunks that calls leave by."""

    kept: dict[str, KeptTrunk] = field(default_factory=dict[str, KeptTrunk])
    kept_inbound: dict[str, InboundTrunk] = field(default_factory=dict[str, InboundTrunk])
    kept_numbers: dict[str, KeptNumber] = field(default_factory=dict[str, KeptNumber])
    is_open: bool = False

    @property
    def trunks(self) -> InMemory[KeptTrunk]:
        """Give the trunks that calls leave by."""
        return InMemory(self.kept)

    @property
    def inbound_trunks(self) -> InMemory[InboundTrunk]:
        """Give the trunks that calls come in by."""
        return InMemory(self.kept_inbound)

    @property
    def numbers(self) -> InMemory[KeptNumber]:
        """Give our numbers."""
        return InMemory(self.kept_numbers)

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Store]:
        """Open it."""
        self.is_open = True
        yield self
        self.is_open = False
