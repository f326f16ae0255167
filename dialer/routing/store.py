"""The trunks in the database: what was made at carriers, and is used from here on.

They belong to whoever runs the gateway and to no tenant; this is the one place that reads and
writes them. ``TrunkStore`` is the door for the command that makes them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Row

from dialer.adapters.database import Database
from dialer.adapters.tables import trunks
from dialer.routing.sealed_rows import SealedRows
from dialer.routing.sealing import Sealing
from dialer.routing.trunk import Trunk
from dialer.settings import TokenSettings


class Trunks(Protocol):
    """Where trunks are kept."""

    async def put(self, trunk: Trunk) -> None:
        """Store a trunk, in place of one with the same name."""
        ...

    async def list(self) -> list[Trunk]:
        """List all trunks by name, also those that are not enabled."""
        ...

    async def remove(self, name: str) -> bool:
        """Forget a trunk; False where there is none of this name."""
        ...


class TrunkStore(SealedRows[Trunk]):
    """The port ``Trunks`` over the dialer's database.

    Errors: every method raises Unavailable when the database cannot be reached.
    """

    _table = trunks

    def _row(self, trunk: Trunk) -> dict[str, Any]:
        return {
            "livekit_name": trunk.livekit_name,
            "address": trunk.address,
            "transport": trunk.transport,
            "numbers": list(trunk.numbers),
            "username": trunk.username,
            "sealed_password": self._sealing.seal(trunk.password),
            "prefixes": list(trunk.prefixes),
            "priority": trunk.priority,
            "cps": trunk.cps,
            "concurrency": trunk.concurrency,
            "destination_country": trunk.destination_country,
            "headers": dict(trunk.headers),
            "encryption": trunk.encryption,
            "codecs": list(trunk.codecs),
            "enabled": trunk.enabled,
            "deployment": trunk.deployment,
            "marks": dict(trunk.marks),
            "updated_at": self._now(),
        }

    def _trunk(self, row: Row[Any]) -> Trunk:
        return Trunk(
            name=row.name,
            livekit_name=row.livekit_name,
            address=row.address,
            transport=row.transport,
            numbers=tuple(row.numbers),
            username=row.username,
            password=self._sealing.open(row.sealed_password),
            prefixes=tuple(row.prefixes),
            priority=row.priority,
            cps=row.cps,
            concurrency=row.concurrency,
            destination_country=row.destination_country,
            headers=row.headers,
            encryption=row.encryption,
            codecs=tuple(row.codecs),
            enabled=row.enabled,
            deployment=row.deployment,
            marks=row.marks,
        )


@asynccontextmanager
async def open_trunks(settings: TokenSettings) -> AsyncGenerator[TrunkStore]:
    """Open the store for a command that needs nothing else of the dialer."""
    database = Database(settings.database_url)
    try:
        sealing = Sealing(settings.sealing_secrets)
        yield TrunkStore(database, sealing, now=lambda: datetime.now(UTC))
    finally:
        await database.close()
