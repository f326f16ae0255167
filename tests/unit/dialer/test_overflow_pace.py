"""The overflow number and the trunk's pace, which calls of the queue use as well."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from dialer.calls.claims import Claim
from dialer.calls.pacing import Pace, RollingPacer
from dialer.inbound import ways_out
from dialer.inbound.ways_out import WaysOut
from dialer.routing.choose import Standing, Wish
from dialer.routing.directory import Directory
from dialer.routing.trunk import OUTBOUND, Line
from dialer.routing.turn import wait_for_turn
from dialer.routing.ways import Obstacle, Ways
from telephony.events import OverflowWhy
from tests.kit.api import settings
from tests.kit.switchboard import Switchboard
from tests.kit.trunks import FakeLines, InMemoryTrunks, trunk
from tests.kit.without_agents import HUMAN, LEG, ROOM, Lobby


class Queue:
    """A queue that never ends: whatever the pace allows leaves at the dispatcher's looks."""

    def __init__(self, cps: float) -> None:
        self.now = 0.0
        self.left = 0
        self.lines = FakeLines(trunk(cps=cps))
        self.pacer = RollingPacer(clock=lambda: self.now)
        self._next = 0.0

    async def sleep(self, seconds: float) -> None:
        """Let time pass with the dispatcher looking when it said that it would."""
        until = self.now + seconds
        while self._next <= until:
            self.now = self._next
            self._next += await self._look()
        self.now = until

    async def _look(self) -> float:
        line = Line(self.lines.trunks[0], "ST_test")
        ways = Ways({OUTBOUND: line}, {OUTBOUND: Standing()}, self.pacer, ahead=0.25)
        while not isinstance(way := await ways.find(Wish(HUMAN)), Obstacle):
            self.left += 1
        return way.look_again


@pytest.mark.parametrize("cps", [1, 2, 5])
@pytest.mark.parametrize("comes_at", [0.0, 3.0, 3.5, 3.74, 3.76, 3.9, 4.3])
async def test_a_caller_gets_a_turn_between_calls_that_use_the_whole_pace(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch, cps: float, comes_at: float
) -> None:
    queue = Queue(cps)
    monkeypatch.setattr(ways_out, "asyncio", SimpleNamespace(sleep=queue.sleep))
    ways = WaysOut(
        database=board.database,
        lines=queue.lines,
        directory=Directory(settings("sqlite:///unused.db"), InMemoryTrunks()),
        pacer=queue.pacer,
        now=board.clock,
        paced=timedelta(seconds=3),
    )
    await queue.sleep(comes_at)
    left = queue.left
    assert left >= cps
    way = await ways.find(HUMAN, called=None)
    assert way is not None and way.number == HUMAN
    assert queue.now - comes_at <= 3
    await queue.sleep(10)
    assert queue.left - left >= 9 * cps, "it costs the queue one turn"


async def test_a_caller_who_is_somebody_elses_costs_no_token(lobby: Lobby) -> None:
    lobby.board.trunk.trunks = [trunk(cps=2)]
    assert await lobby.taken()
    attempt = await lobby.attempt()
    seen = Claim(attempt.tenant_id, attempt.call_id, attempt.id, attempt.fence - 1, ROOM)
    assert not await lobby.another_process().take(seen, OverflowWhy.NO_AGENT)
    left = [await lobby.board.pacer.take(OUTBOUND, Pace.of(2)) <= 0 for _ in range(2)]
    assert left == [True, False]


async def test_a_caller_whose_turn_is_too_far_away_costs_no_token(lobby: Lobby) -> None:
    rare, pacer = trunk(cps=0.001), lobby.board.pacer
    lobby.board.trunk.trunks = [rare]
    await wait_for_turn(rare, pacer)
    assert await lobby.taken()
    await lobby.overflow.settled()
    assert lobby.legs.rung == [] and lobby.announcer.played == [(ROOM, LEG)]
    assert await pacer.take(OUTBOUND, Pace.of(rare.cps)) == 0
