"""The gateway's store of trunks, in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from trunks.gateway import KeptTrunk, Store


@dataclass(slots=True)
class KeptTrunks:
    """The port ``trunks.gateway.Store``."""

    kept: dict[str, KeptTrunk] = field(default_factory=dict[str, KeptTrunk])
    is_open: bool = False

    async def put(self, trunk: KeptTrunk) -> None:
        """Keep a trunk, in place of one with the same name."""
        self.kept[trunk.name] = trunk

    async def list(self) -> Sequence[KeptTrunk]:
        """List all."""
        return list(self.kept.values())

    async def remove(self, name: str) -> bool:
        """Forget one."""
        return self.kept.pop(name, None) is not None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Store]:
        """Open it."""
        self.is_open = True
        yield self
        self.is_open = False
