"""One database, two dialects: SQLite for one dialer process, Postgres for many.

SQLite has one writer by nature, so all writing goes through one connection whose transactions begin
IMMEDIATE: waiting happens here, in order, and not as "database is locked" somewhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from telephony.errors import Unavailable

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


def async_url(url: str) -> URL:
    """Give the URL the driver that we use for its dialect.

    Errors: ValueError for a dialect that is neither SQLite nor Postgres.
    """
    parsed = make_url(url)
    dialect = parsed.drivername.split("+")[0]
    if dialect not in _DRIVERS:
        raise ValueError(
            f"DATABASE_URL must begin with sqlite:/// or postgresql://, not {dialect}://"
        )
    return parsed.set(drivername=_DRIVERS[dialect])


class Database:
    """Transactions and reads; nothing else of the dialer knows which database it is."""

    def __init__(self, url: str) -> None:
        self.url = async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._reader = self._reading_engine()
        self._writer = self._writing_engine()
        self._writing = asyncio.Lock()

    def _reading_engine(self) -> AsyncEngine:
        # Parameters are numbers and spoken words: no error text may print them.
        if not self.is_sqlite:
            return create_async_engine(
                self.url, pool_size=10, max_overflow=10, pool_pre_ping=True, hide_parameters=True
            )
        engine = create_async_engine(self.url, pool_size=5, max_overflow=10, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _sqlite_pragmas)
        return engine

    def _writing_engine(self) -> AsyncEngine:
        if not self.is_sqlite:
            return self._reader
        engine = create_async_engine(self.url, poolclass=StaticPool, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _sqlite_pragmas)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
        return engine

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """Open a write transaction: committed when the block ends, rolled back when it raises.

        Errors: Unavailable when the database cannot be reached or is locked.
        """
        if not self.is_sqlite:
            async with _translated(), self._writer.begin() as connection:
                yield connection
            return
        async with self._writing, _translated(), self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """Open a connection to read from; what it sees is committed."""
        async with _translated(), self._reader.connect() as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self._writer.dispose()
        await self._reader.dispose()


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or _is_outage(error):
            raise Unavailable(
                "database_unavailable", "The database cannot be reached at the moment."
            ) from error
        raise


def _is_outage(error: DBAPIError) -> bool:
    name = type(error.orig).__name__
    return name in {"OperationalError", "InterfaceError", "ConnectionTimeout", "PoolTimeout"}


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself: they begin IMMEDIATE, see _begin_immediate.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=5000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
