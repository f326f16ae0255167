"""Rows with a name and a sealed password: how every kind of trunk is kept in the database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import structlog
from sqlalchemy import Row, Table, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from dialer.adapters.database import Database
from dialer.routing.sealing import Sealing, Unsealable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Named(Protocol):
    """What is kept."""

    @property
    def name(self) -> str:
        """Give what it is kept by."""
        ...


T = TypeVar("T", bound=Named)


class SealedRows(ABC, Generic[T]):
    """The trunks of one table.

    Errors: every method raises Unavailable when the database cannot be reached.
    """

    _table: ClassVar[Table]

    def __init__(
        self, database: Database, sealing: Sealing, *, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._sealing = sealing
        self._now = now
        self._unreadable: set[str] = set()

    async def put(self, trunk: T) -> None:
        """Store a trunk, in place of one with the same name."""
        values = self._row(trunk)
        insert = sqlite_insert if self._database.is_sqlite else postgresql_insert
        statement = (
            insert(self._table)
            .values(name=trunk.name, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values)
        )
        async with self._database.transaction() as tx:
            await tx.execute(statement)

    async def list(self) -> list[T]:
        """List all trunks by name, but for those whose password cannot be opened."""
        query: Any = select(self._table).order_by(self._table.c.name)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        found: list[T] = []
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
            gone = await tx.execute(delete(self._table).where(self._table.c.name == name))
        return gone.rowcount == 1

    @abstractmethod
    def _row(self, trunk: T) -> dict[str, Any]:
        """Give all columns but the name."""

    @abstractmethod
    def _trunk(self, row: Row[Any]) -> T:
        """Read a row. Errors: Unsealable."""
