"""The database's history leads to the tables of the code, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, inspect, text

from dialer import migrations
from dialer.adapters.tables import calls, metadata
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


def test_a_database_of_a_newer_version_is_left_as_it_is_and_told(empty: str) -> None:
    migrations.upgrade(empty)
    engine = migrations.sync_engine(empty)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrations.NewerDatabase, match=r"9999.*newer.*restore a backup"):
        migrations.upgrade(empty)
    assert migrations.current(empty) == "9999"
    engine.dispose()


def test_calls_that_ended_before_there_was_a_count_are_in_it(empty: str) -> None:
    migrations.upgrade(empty, "0008")
    engine = migrations.sync_engine(empty)
    values: dict[str, Any] = {
        "tenant_id": "default",
        "call_type": "sip",
        "direction": "outbound",
        "agent": "default",
        "variables": {},
        "metadata": {},
        "ring_timeout_seconds": 30,
        "max_duration_seconds": 600,
        "queued_at": datetime.now(UTC),
        "last_sequence": 0,
    }
    busy = {**values, "status": "ended", "outcome": "busy", "ended_reason": "busy"}
    with engine.begin() as connection:
        connection.execute(insert(calls), [{**busy, "id": f"call_{n}"} for n in range(3)])
        connection.execute(insert(calls).values(**values, id="call_live", status="queued"))
    migrations.upgrade(empty)
    with engine.connect() as connection:
        counted = connection.execute(text("SELECT outcome, ended_reason, calls FROM ended_calls"))
        assert [tuple(row) for row in counted] == [("busy", "busy", 3)]
    engine.dispose()
