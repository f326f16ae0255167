"""Databases for the integration tests: each test that takes one runs on SQLite and on Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from dialer import migrations
from tests.kit import api as kit
from tests.kit import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the URL of a Postgres server that lives as long as the run."""
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a migrated database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/telephony.db"
        migrations.upgrade(url)
        yield url
        return
    with postgres.fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest_asyncio.fixture
async def api(database_url: str) -> AsyncIterator[kit.Api]:
    """Give the application over each database."""
    async with kit.api(database_url) as found:
        yield found
