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


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows; all of them name the same columns.

    Shape: values are texts, whole numbers, aware times and None; whatever JSON can hold in columns
    of that type.
    """
    if not rows:
        return
    sqlite = connection.dialect.name == "sqlite"
    statement = _statement(table, tuple(rows[0]), sqlite)
    told = json.dumps([*rows], default=_sqlite_time if sqlite else _time)
    connection.execute(statement, {"rows": told})


@cache
def _statement(table: Table, names: tuple[str, ...], sqlite: bool) -> TextClause:
    columns = ", ".join(f'"{name}"' for name in names)
    if not sqlite:
        rows = f"json_populate_recordset(CAST(NULL AS {table.name}), CAST(:rows AS json))"
        return text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {rows}")
    values = ", ".join(_of_json(table, name) for name in names)
    return text(f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM json_each(:rows)")


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
