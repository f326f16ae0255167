"""Twenty random kills among calls of every kind; `make chaos` does any number of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.faults.chaos.plan import draw
from tests.faults.chaos.playing import Player
from tests.faults.chaos.report import explained

SEED = 20_261


@pytest.mark.alone
def test_twenty_kills_double_nothing_lose_nothing_and_leave_nothing(
    running: dict[str, Any],
) -> None:
    print(f"seed {SEED}; all processes: {running['processes']}")
    plan = draw(SEED, 1, kills=20, kill_every=(0.8, 2.0))

    played = asyncio.run(Player(running, print).play(plan))

    assert not played.violations, explained(played)
    assert len(played.kills) == 20
    assert played.ledgers is not None and len(played.ledgers.accepted) == len(plan.orders)
