"""What is asked of the database, and how it goes about it."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from dialer.adapters.database import Database

#: A statement as the driver got it, with its parameters.
Statement = tuple[str, Any]

_MET = re.compile(r"(?:actual [^)]*rows=|Rows Removed by [A-Za-z ]+: )([0-9]+)")


def engines(database: Database) -> set[Engine]:
    """Give all engines that the database asks with."""
    inside: Any = database
    both = {inside._reader.sync_engine, inside._writer.sync_engine}
    threads = inside._threads
    return both if threads is None else {*both, threads._reader, threads._writer}


@contextmanager
def asked(database: Database) -> Generator[list[Statement]]:
    """Give the statements that are carried out in the block."""
    found: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    listening = engines(database)
    for engine in listening:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        for engine in listening:
            event.remove(engine, "before_cursor_execute", note)


async def plan(database: Database, statement: Statement) -> str:
    """Give how the database carries out a statement, which is done on Postgres."""
    how = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN ANALYZE"
    async with database.reading() as connection:
        rows = await connection.exec_driver_sql(f"{how} {statement[0]}", statement[1])
        return "\n".join(str(row[-1]) for row in rows.all())


def goes_through(plan: str, *tables: str, rows: int) -> bool:
    """Tell whether a plan meets every row of one of these tables.

    Shape: ``rows`` is how many there are at least; SQLite does not tell how many it met.
    """
    scanned = any(re.search(rf"\bSCAN {table}\b", plan) for table in tables)
    return scanned or any(int(met) >= rows for met in _MET.findall(plan))
