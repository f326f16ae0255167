"""One database, two dialects: SQLite for one dialer process, Postgres for many.

SQLite has one writer by nature, so all writing goes through one connection whose transactions begin
IMMEDIATE: waiting happens here, in order, and not as "database is locked" somewhere else.

What every request needs alike is done for many of them at once (``written_together`` and
``read_together``). On SQLite such a batch runs whole in a thread of its own: one change of threads
for a batch, where the asynchronous driver needs several for each statement.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from dialer.adapters import postgres_patience
from dialer.adapters.together import Together, Work
from telephony.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}

#: Units: seconds. Who waits longer for a connection is told to come again.
_POOL_TIMEOUT = 10.0
#: How long a transaction or a reading may take; far more than any of ours needs.
_PATIENCE = 10.0
#: Each statement is a transaction of its own: none to begin and to end, each a trip to the server.
_BY_ITSELF = "AUTOCOMMIT"


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


class TransactionNeeded(Exception):
    """What is asked takes several statements that belong together."""


def needs_transaction(connection: Connection) -> None:
    """Say that what follows belongs into one transaction with what came before.

    Errors: TransactionNeeded where each statement of the connection is committed by itself.
    """
    if connection.get_execution_options().get("isolation_level") == _BY_ITSELF:
        raise TransactionNeeded


class Database:
    """Transactions and reads; nothing else of the dialer knows which database it is."""

    def __init__(
        self, url: str, *, pool_timeout: float = _POOL_TIMEOUT, patience: float = _PATIENCE
    ) -> None:
        self._pool_timeout = pool_timeout
        self._patience = patience
        self.url = async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._reader = self._reading_engine()
        self._writer = self._writing_engine()
        self._by_itself = self._reader.execution_options(isolation_level=_BY_ITSELF)
        self._writing = asyncio.Lock()
        self._threads = _Threads(self.url) if self.is_sqlite else None
        self._batches: dict[tuple[bool, Any], Together[Any, Any]] = {}

    def _reading_engine(self) -> AsyncEngine:
        # Parameters are numbers and spoken words: no error text may print them.
        if not self.is_sqlite:
            engine = create_async_engine(
                self.url,
                pool_size=10,
                max_overflow=10,
                pool_timeout=self._pool_timeout,
                connect_args={"connect_timeout": postgres_patience.CONNECT_TIMEOUT},
                hide_parameters=True,
            )
            postgres_patience.guard(engine, patience=self._patience)
            return engine
        engine = create_async_engine(
            self.url,
            pool_size=5,
            max_overflow=10,
            pool_timeout=self._pool_timeout,
            hide_parameters=True,
        )
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

    async def written_together(self, work: Work[Item, Result], item: Item) -> Result:
        """Have one item written with those that others ask for now; it is committed on return.

        Shape: on Postgres a batch is tried without a transaction first, and has one where its work
        asks for it with ``needs_transaction``, before it wrote anything.
        Errors: the item's own; Unavailable as ``transaction``.
        """
        return await self._together(work, item, writes=True)

    async def read_together(self, work: Work[Item, Result], item: Item) -> Result:
        """Have one item read with those that others ask for now, after this was called.

        Errors: the item's own; Unavailable as ``reading``.
        """
        return await self._together(work, item, writes=False)

    async def _together(self, work: Work[Item, Result], item: Item, *, writes: bool) -> Result:
        together = self._batches.get((writes, work))
        if together is None:
            together = Together(work, self._carry_writing if writes else self._carry_reading)
            self._batches[writes, work] = together
        return await together.ask(item)

    async def _carry_writing(self, work: Callable[[Connection], Any]) -> Any:
        if self._threads is None:
            with suppress(TransactionNeeded):
                return await self._each_by_itself(work)
            async with self.transaction() as tx:
                return await tx.run_sync(work)
        async with self._writing, _translated():
            return await self._threads.write(work)

    async def _carry_reading(self, work: Callable[[Connection], Any]) -> Any:
        if self._threads is None:
            return await self._each_by_itself(work)
        async with _translated():
            return await self._threads.read(work)

    async def _each_by_itself(self, work: Callable[[Connection], Any]) -> Any:
        async with _translated(), self._by_itself.connect() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Answer everybody who waits for a batch, and close every connection."""
        for together in self._batches.values():
            await together.settled()
        if self._threads is not None:
            threads, self._threads = self._threads, _Threads(self.url)
            await threads.close()
        await self._writer.dispose()
        await self._reader.dispose()


class _Threads:
    """SQLite's batches: a thread with a connection that writes, and one with one that reads."""

    def __init__(self, url: URL) -> None:
        self._writer = _sqlite_engine(url)
        event.listen(self._writer, "begin", _begin_immediate)
        self._reader = _sqlite_engine(url)
        self._writing = ThreadPoolExecutor(1, "database-writer")
        self._reading = ThreadPoolExecutor(1, "database-reader")

    async def write(self, work: Callable[[Connection], Any]) -> Any:
        """Do it in one transaction."""

        def done() -> Any:
            with self._writer.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._writing, done)

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        """Do it with what is committed."""

        def done() -> Any:
            with self._reader.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._reading, done)

    async def close(self) -> None:
        """Close both connections, and end both threads."""
        loop = asyncio.get_running_loop()
        for executor, engine in ((self._writing, self._writer), (self._reading, self._reader)):
            await loop.run_in_executor(executor, engine.dispose)
            executor.shutdown(wait=False)


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"), poolclass=StaticPool, hide_parameters=True
    )
    event.listen(engine, "connect", _sqlite_pragmas)
    return engine


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except PoolTimeout as error:
        # Every connection is taken: for who asks now it is the same as none.
        raise _unavailable() from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_outage(error):
            raise _unavailable() from error
        raise


def _unavailable() -> Unavailable:
    return Unavailable("database_unavailable", "The database cannot be reached at the moment.")


def _is_outage(error: DBAPIError) -> bool:
    """Tell a database that is away from a statement that is wrong.

    Shape: drivers make both an OperationalError. SQLite tells them apart by its result code: the
    plain SQLITE_ERROR is "no such table" and its like.
    """
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", None)
        wrong = code is not None and code & 0xFF == sqlite3.SQLITE_ERROR
        return isinstance(error.orig, sqlite3.OperationalError) and not wrong
    kinds = {kind.__name__ for kind in type(error.orig).__mro__}
    return bool(kinds & {"OperationalError", "InterfaceError"})


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
