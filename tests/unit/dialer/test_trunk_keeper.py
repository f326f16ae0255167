"""Keeping the trunks in LiveKit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from dialer.routing.keeper import TrunkKeeper
from dialer.routing.trunk import Trunk
from telephony.errors import Unavailable
from tests.kit.fakes import InMemorySignals
from tests.kit.trunks import trunk


class LiveKit:
    """LiveKit's trunks, which can be forgotten or out of reach."""

    def __init__(self) -> None:
        self.made = 0
        self.asked = 0
        self.down = False
        self.refused: set[str] = set()

    async def ensure(self, wanted: Sequence[Trunk]) -> Mapping[str, str]:
        """Give the trunks' ids."""
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("media_server_unavailable", "LiveKit cannot be reached.")
        return {
            one.name: f"ST_{one.name}_{self.made}" for one in wanted if one.name not in self.refused
        }


class Desk:
    """A keeper with a clock of its own."""

    def __init__(self, *wanted: Trunk) -> None:
        self.time = 0.0
        self.wanted = wanted
        self.livekit = LiveKit()
        self.signals = InMemorySignals()
        self.keeper = TrunkKeeper(
            livekit=self.livekit, wanted=self, signals=self.signals, clock=lambda: self.time
        )

    async def trunks(self) -> Sequence[Trunk]:
        """List what is wanted."""
        return self.wanted

    async def ids(self) -> dict[str, str]:
        """Give the ids that the keeper knows."""
        return {name: line.id for name, line in (await self.keeper.current()).items()}


async def test_they_are_looked_up_at_the_first_need_and_kept_for_a_second() -> None:
    desk = Desk(trunk("a"), trunk("b"))
    assert [await desk.ids() for _ in range(3)] == [{"a": "ST_a_0", "b": "ST_b_0"}] * 3
    assert desk.livekit.asked == 1, "one look for all of them"
    desk.time = 1.5
    await desk.ids()
    assert desk.livekit.asked == 2


async def test_many_who_need_them_at_once_look_once() -> None:
    desk = Desk(trunk("a"))
    found = await asyncio.gather(*(desk.ids() for _ in range(10)))
    assert found == [{"a": "ST_a_0"}] * 10
    assert desk.livekit.asked == 1


async def test_a_trunk_that_was_made_anew_is_used_at_once() -> None:
    desk = Desk(trunk("a"))
    await desk.ids()
    desk.livekit.made, desk.time = 1, 1.5
    assert await desk.ids() == {"a": "ST_a_1"}


async def test_a_trunk_that_is_no_longer_wanted_or_not_taken_is_no_line() -> None:
    desk = Desk(trunk("a"), trunk("b"), trunk("c"))
    desk.livekit.refused = {"c"}
    assert set(await desk.ids()) == {"a", "b"}
    desk.wanted, desk.time = (trunk("b"),), 1.5
    assert set(await desk.ids()) == {"b"}


async def test_without_livekit_there_is_no_answer_instead_of_an_old_one() -> None:
    desk = Desk(trunk("a"))
    await desk.ids()
    desk.livekit.down, desk.time = True, 1.5
    with pytest.raises(Unavailable):
        await desk.ids()


async def test_without_any_wanted_there_is_none() -> None:
    desk = Desk()
    await desk.keeper.step()
    assert await desk.ids() == {}
    assert desk.livekit.asked == 0


async def test_a_new_trunk_wakes_the_dispatcher() -> None:
    desk = Desk(trunk("a"))
    await desk.keeper.step()
    async with asyncio.timeout(30):
        await desk.signals.wait_work(60)
    desk.livekit.made = 1
    await desk.keeper.step()
    async with asyncio.timeout(30):
        await desk.signals.wait_work(60)
    desk.wanted = (trunk("a"), trunk("b"))
    await desk.keeper.step()
    async with asyncio.timeout(30):
        await desk.signals.wait_work(60)
