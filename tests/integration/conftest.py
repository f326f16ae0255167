"""Databases for the integration tests: each test that takes one runs on SQLite and on Postgres."""

from __future__ import annotations

import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from dialer import migrations
from tests.kit import api as kit
from tests.kit import postgres
from tests.kit.switchboard import Switchboard, switchboard
from tests.kit.until import until


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the URL of a Postgres server that lives as long as the run."""
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a SQLite file with our tables; a copy of it is cheaper than another migration."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a migrated database."""
    if request.param == "sqlite":
        path = tmp_path / "telephony.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), path)
        yield f"sqlite:///{path}"
        return
    with postgres.fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[kit.Api]:
    """Give the application over each database."""
    async with kit.api(database_url) as found:
        yield found


@pytest_asyncio.fixture
async def board(database_url: str) -> AsyncIterator[Switchboard]:
    """Give a switchboard over each database."""
    async with switchboard(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def wide_board(database_url: str) -> AsyncIterator[Switchboard]:
    """Give a switchboard over each database on which many agents may join at once."""
    async with switchboard(database_url, joining_at_once=50) as made:
        yield made


@pytest_asyncio.fixture(autouse=True)
async def no_connection_outlives_its_loop() -> AsyncIterator[None]:
    """Wait for aiosqlite's threads, also of connections that never opened: they end unawaited."""
    yield
    await until(lambda: not _connection_threads(), what="every SQLite connection is closed")


def _connection_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if "_connection_worker_thread" in t.name]
