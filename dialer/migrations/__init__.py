"""The database's history: alembic revisions, run with ``dialer migrate``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


class NewerDatabase(Exception):
    """The database is at a revision that this version does not know."""

    def __init__(self, at: str) -> None:
        super().__init__(
            f"The database is at {at}, of a newer version than this one, which knows {head()}: run "
            "that version, or restore a backup of before."
        )


def sync_engine(url: str) -> Engine:
    """Make the engine that migrations run on: no event loop, no pool."""
    parsed = make_url(url)
    driver = _DRIVERS[parsed.drivername.split("+")[0]]
    engine = create_engine(
        parsed.set(drivername=driver),
        poolclass=NullPool,
        # As in adapters/database.py: rows hold numbers and spoken words.
        hide_parameters=True,
    )
    if driver == "sqlite":
        event.listen(engine, "connect", _no_implicit_transactions)
        event.listen(engine, "begin", _begin)
    return engine


def _no_implicit_transactions(connection: Any, _record: Any) -> None:
    # Python's driver would leave DDL outside of the transaction.
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def config(connection: Connection | None = None) -> Config:
    """Build alembic's configuration; there is no ini file."""
    built = Config()
    built.set_main_option("script_location", str(Path(__file__).parent))
    built.attributes["connection"] = connection
    return built


def head() -> str:
    """Name the newest revision."""
    newest = ScriptDirectory.from_config(config()).get_current_head()
    assert newest is not None
    return newest


def current(url: str) -> str | None:
    """Name the revision that a database is at; None for one that is empty.

    Errors: sqlalchemy.exc.OperationalError when it cannot be reached.
    """
    engine = sync_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def upgrade(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, by default the newest; all of it or nothing.

    Errors: NewerDatabase, sqlalchemy.exc.SQLAlchemyError.
    """
    at = current(url)
    if at is not None and not _known(at):
        raise NewerDatabase(at)
    _run(url, partial(_step, command.upgrade, revision))


def _known(revision: str) -> bool:
    script = ScriptDirectory.from_config(config())
    return any(known.revision == revision for known in script.walk_revisions())


def downgrade(url: str, revision: str) -> None:
    """Bring a database back to an older revision."""
    _run(url, partial(_step, command.downgrade, revision))


def _step(move: Callable[[Config, str], None], revision: str, built: Config) -> None:
    move(built, revision)


def _run(url: str, step: Callable[[Config], None]) -> None:
    engine = sync_engine(url)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                # Two dialers that start together migrate one after the other.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727001)")
            step(config(connection))
    finally:
        engine.dispose()
