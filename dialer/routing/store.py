"""The trunks in the database: what was made at carriers, and is used from here on.

They belong to whoever runs the gateway and to no tenant; this is the one place that reads and
writes them. ``TrunkStore`` is the door for the command that makes them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from dialer.adapters.database import Database
from dialer.adapters.tables import trunks
from dialer.routing.sealing import Sealing, Unsealable
from dialer.routing.trunk import Trunk
from dialer.settings import TokenSettings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


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


class TrunkStore:
    """The port ``Trunks`` over the dialer's database.

    Errors: every method raises Unavailable when the database cannot be reached.
    """

    def __init__(
        self, database: Database, sealing: Sealing, *, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._sealing = sealing
        self._now = now
        self._unreadable: set[str] = set()

    async def put(self, trunk: Trunk) -> None:
        """Store a trunk, in place of one with the same name."""
        values = self._row(trunk)
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        statement = (
            insert(trunks)
            .values(name=trunk.name, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values)
        )
        async with self._database.transaction() as tx:
            await tx.execute(statement)

    async def list(self) -> list[Trunk]:
        """List all trunks by name, but for those whose password cannot be opened."""
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(trunks).order_by(trunks.c.name))).all()
        found: list[Trunk] = []
        unreadable: set[str] = set()
        for row in rows:
            try:
                found.append(self._trunk(row))
            except Unsealable:
                unreadable.add(row.name)
        for name in unreadable - self._unreadable:
            log.error("trunk sealed with another key", trunk=name, fix="set SECRETS_KEY as it was")
        self._unreadable = unreadable
        return found

    async def remove(self, name: str) -> bool:
        """Forget a trunk; False where there is none of this name."""
        async with self._database.transaction() as tx:
            gone = await tx.execute(delete(trunks).where(trunks.c.name == name))
        return gone.rowcount == 1

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
