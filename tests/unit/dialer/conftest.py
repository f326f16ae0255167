"""A switchboard on SQLite for the unit tests, and one at which nobody answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from tests.kit.switchboard import Switchboard, switchboard
from tests.kit.without_agents import BUSY, HUMAN, Lobby


@pytest_asyncio.fixture
async def board(tmp_path: Path) -> AsyncGenerator[Switchboard]:
    """Give a switchboard with an empty database."""
    async with switchboard(f"sqlite:///{tmp_path}/unit.db", create=True) as made:
        yield made


@pytest_asyncio.fixture
async def lobby(board: Switchboard) -> AsyncGenerator[Lobby]:
    """Give a lobby whose number has an overflow number."""
    made = Lobby(board)
    await made.board.place()  # makes the tenant
    async with board.database.transaction() as tx:
        for table in ("events", "attempts", "calls"):
            await tx.exec_driver_sql(f"DELETE FROM {table}")
    await made.own(overflow_number=HUMAN)
    yield made
    made.announcer.free.set()
    if not made.legs.verdict.done():
        made.legs.verdict.set_result(BUSY)
    await made.overflow.settled()
