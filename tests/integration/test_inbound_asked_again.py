"""An offer that is made again, its first answer having been slow or lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from dialer.calls.pacing import Pace, RollingPacer
from dialer.inbound.overflow import Means, Overflow
from telephony.worker_contract import InboundRefused
from tests.kit.api import Api, changed
from tests.kit.incoming import Offering, own
from tests.kit.trunks import FakeLines
from tests.kit.until import until
from tests.kit.without_agents import BUSY, HUMAN, FakeAnnouncer, FakeLegs

pytestmark = pytest.mark.asyncio

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
BY_DAY = {"time_zone": "UTC", "weekly": {"mon": ["09:00-17:00"]}}


class Gate(RollingPacer):
    """A pace that lets nobody know their turn before it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.asked = 0

    async def take(self, trunk: str, pace: Pace, *, ahead: float = 0.0) -> float:
        """Wait until it is open."""
        self.asked += 1
        await self.open.wait()
        return await super().take(trunk, pace, ahead=ahead)


def overflowing(api: Api, pacer: RollingPacer) -> tuple[Api, Overflow, FakeLegs]:
    """Give the application with an overflow over this pace."""
    wired, legs = api.services, FakeLegs(api.rooms)
    means = Means(
        database=wired.database,
        rooms=api.rooms,
        signals=wired.signals,
        lines=FakeLines(),
        directory=wired.directory,
        pacer=pacer,
        legs=legs,
        announcer=FakeAnnouncer(api.rooms),
        owner="d1",
        now=wired.now,
        at_once=5,
    )
    overflow = Overflow(means)
    return changed(api, overflow=overflow), overflow, legs


@pytest.mark.parametrize("closed", [False, True], ids=["agent", "hours"])
async def test_an_offer_that_is_made_again_while_the_caller_is_taken_does_not_overtake_it(
    api: Api, closed: bool
) -> None:
    gate = Gate()
    api, overflow, legs = overflowing(api, gate)
    how: dict[str, Any] = {"agent": "nobody"}
    if closed:
        how = {"hours": {"time_zone": "UTC", "weekly": {}}}
    await own(api, overflow_number=HUMAN, **how)
    worker, room = Offering(api), "tel-in_x"
    await api.rooms.create(room, None)
    first = asyncio.create_task(worker.refused(room=room))
    await until(lambda: gate.asked == 1, what="the first one waits for the trunk's pace")
    again = asyncio.create_task(worker.refused(room=room))
    await until(lambda: gate.asked == 2 or again.done(), what="the second one does as well")
    gate.open.set()
    assert await asyncio.gather(first, again) == [InboundRefused.TAKEN] * 2
    await asyncio.wait_for(legs.rang.wait(), 10)
    legs.verdict.set_result(BUSY)
    await overflow.settled()
    assert [one.number for one in legs.rung] == [HUMAN]


async def test_an_offer_that_is_made_again_after_an_hour_struck_is_decided_as_it_was(
    api: Api,
) -> None:
    time = MONDAY.replace(hour=16, minute=59, second=59)
    api, _, legs = overflowing(changed(api, now=lambda: time), RollingPacer())
    await own(api, hours=BY_DAY, overflow_number=HUMAN)
    first = await Offering(api).briefed()
    time = MONDAY.replace(hour=17)
    again = await Offering(api).briefed()
    assert (again.call_id, again.announcement) == (first.call_id, None)
    assert legs.rung == []
