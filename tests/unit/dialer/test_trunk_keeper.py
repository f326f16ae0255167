"""Keeping the one trunk of the settings in LiveKit."""

from __future__ import annotations

import asyncio

import pytest

from dialer.calls.trunk import TrunkKeeper, WantedTrunk
from telephony.errors import Unavailable
from tests.kit.fakes import InMemorySignals

WANTED = WantedTrunk("tel-outbound", "127.0.0.1:5070", "udp", ("+14155550199",))


class Trunks:
    """LiveKit's trunks, which can be forgotten or out of reach."""

    def __init__(self) -> None:
        self.made = 0
        self.asked = 0
        self.down = False

    async def ensure(self, wanted: WantedTrunk) -> str:
        """Give the trunk's id."""
        assert wanted == WANTED
        self.asked += 1
        if self.down:
            raise Unavailable("media_server_unavailable", "LiveKit cannot be reached.")
        return f"ST_{self.made}"


class Desk:
    """A keeper with a clock of its own."""

    def __init__(self, wanted: WantedTrunk | None = WANTED) -> None:
        self.time = 0.0
        self.trunks = Trunks()
        self.signals = InMemorySignals()
        self.keeper = TrunkKeeper(
            trunks=self.trunks, wanted=wanted, signals=self.signals, clock=lambda: self.time
        )


async def test_it_is_looked_up_at_the_first_need_and_kept_for_a_second() -> None:
    desk = Desk()
    assert [await desk.keeper.current() for _ in range(3)] == ["ST_0"] * 3
    assert desk.trunks.asked == 1
    desk.time = 1.5
    await desk.keeper.current()
    assert desk.trunks.asked == 2


async def test_a_trunk_that_was_made_anew_is_used_at_once() -> None:
    desk = Desk()
    await desk.keeper.current()
    desk.trunks.made, desk.time = 1, 1.5
    assert await desk.keeper.current() == "ST_1"


async def test_without_livekit_there_is_no_answer_instead_of_an_old_one() -> None:
    desk = Desk()
    await desk.keeper.current()
    desk.trunks.down, desk.time = True, 1.5
    with pytest.raises(Unavailable):
        await desk.keeper.current()


async def test_without_settings_for_one_there_is_none() -> None:
    desk = Desk(wanted=None)
    await desk.keeper.step()
    assert await desk.keeper.current() is None
    assert desk.trunks.asked == 0


async def test_a_new_trunk_wakes_the_dispatcher() -> None:
    desk = Desk()
    await desk.keeper.step()
    async with asyncio.timeout(30):
        await desk.signals.wait_work(60)
    desk.trunks.made = 1
    await desk.keeper.step()
    async with asyncio.timeout(30):
        await desk.signals.wait_work(60)
