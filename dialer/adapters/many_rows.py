"""Insert many rows with one short statement: they travel as one JSON text, parted by the database.

A statement with a parameter for each value is as long as the batch: it is built, read and bound
anew each time. One statement for each row is worse on SQLite: each gives up Python's lock, and
whoever gave it up while requests are served waits milliseconds to have it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import JSON, Connection, Table, TextClause, text

#: Rows of one table; all of them name the same columns.
Rows = tuple[Table, Sequence[Mapping[str, Any]]]


def insert_rows(connection: Connection, *batches: Rows) -> None:
    """Insert rows of one table, or of several whose later ones refer to the earlier ones.

    Shape: values are texts, whole numbers, aware times and None; whatever JSON can hold in columns
    of that type. Postgres takes all tables in one trip.
    """
    wanted = [(table, rows) for table, rows in batches if rows]
    if connection.dialect.name == "sqlite":
        for table, rows in wanted:
            statement = _into_sqlite(table, tuple(rows[0]))
            connection.execute(statement, {"rows": json.dumps([*rows], default=_sqlite_time)})
    elif wanted:
        statement = _into_postgres(tuple((table, tuple(rows[0])) for table, rows in wanted))
        told = {f"rows_{at}": _told(table, rows) for at, (table, rows) in enumerate(wanted)}
        connection.execute(statement, told)


def _told(table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    # JSON inside of JSON goes as a text: Postgres looks into the outer one, and refuses a NUL
    # there that it keeps well in a column.
    inner = [name for name in rows[0] if isinstance(table.c[name].type, JSON)]
    plain = [{**row, **{name: json.dumps(row[name]) for name in inner}} for row in rows]
    return json.dumps(plain, default=_time)


@cache
def _into_postgres(tables: tuple[tuple[Table, tuple[str, ...]], ...]) -> TextClause:
    parts: list[str] = []
    for at, (table, names) in enumerate(tables):
        columns = _columns(names)
        rows = f"json_populate_recordset(CAST(NULL AS {table.name}), CAST(:rows_{at} AS json))"
        values = ", ".join(_of_record(table, name) for name in names)
        parts.append(f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {rows}")
    *first, last = parts
    # References are checked when all of the statement is done.
    before = ", ".join(f"part_{at} AS ({part})" for at, part in enumerate(first))
    return text(f"WITH {before} {last}" if before else last)


@cache
def _into_sqlite(table: Table, names: tuple[str, ...]) -> TextClause:
    values = ", ".join(_of_json(table, name) for name in names)
    return text(
        f"INSERT INTO {table.name} ({_columns(names)}) SELECT {values} FROM json_each(:rows)"
    )


def _columns(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _of_record(table: Table, name: str) -> str:
    inner = isinstance(table.c[name].type, JSON)
    return f"CAST(\"{name}\" #>> '{{}}' AS json)" if inner else f'"{name}"'


def _of_json(table: Table, name: str) -> str:
    # As JSON for a column that holds JSON, as a plain value for all others.
    arrow = "->" if isinstance(table.c[name].type, JSON) else "->>"
    return f"value {arrow} '{name}'"


def _time(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError("neither JSON nor an aware time")
    return value.astimezone(UTC).isoformat()


def _sqlite_time(value: Any) -> str:
    # The shape in which SQLAlchemy keeps times there: UTC, always with microseconds.
    return _time(value)[:10] + " " + value.astimezone(UTC).strftime("%H:%M:%S.%f")
