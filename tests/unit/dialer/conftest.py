"""A switchboard on SQLite for the unit tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from tests.kit.switchboard import Switchboard, switchboard


@pytest_asyncio.fixture
async def board(tmp_path: Path) -> AsyncGenerator[Switchboard]:
    """Give a switchboard with an empty database."""
    async with switchboard(f"sqlite:///{tmp_path}/unit.db", create=True) as made:
        yield made
