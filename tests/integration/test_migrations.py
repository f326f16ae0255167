"""The database's history leads to the tables of the code, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from dialer import migrations
from dialer.adapters.tables import metadata
from tests.kit import postgres


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server = request.getfixturevalue("postgres_server")
    with postgres.fresh_database(server, migrated=False) as url:
        yield url


def test_migrated_tables_are_those_of_the_code(empty: str) -> None:
    assert migrations.current(empty) is None
    migrations.upgrade(empty)
    assert migrations.current(empty) == migrations.head()
    engine = migrations.sync_engine(empty)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_default_tenant_is_there(empty: str) -> None:
    migrations.upgrade(empty)
    engine = migrations.sync_engine(empty)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM tenants")).scalar_one() == "default"
    engine.dispose()


def test_migrating_again_changes_nothing_and_back_is_empty(empty: str) -> None:
    migrations.upgrade(empty)
    migrations.upgrade(empty)
    migrations.downgrade(empty, "base")
    engine = migrations.sync_engine(empty)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
