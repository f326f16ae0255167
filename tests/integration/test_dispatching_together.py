"""Several dispatchers at one queue: no token of a trunk's pace is spent on nothing."""

from __future__ import annotations

import asyncio

from dialer.calls.dispatch import Dispatcher
from tests.kit.switchboard import Switchboard
from tests.kit.trunks import OneAmongSeveral, trunk


async def test_dispatchers_with_a_token_each_waste_none_and_take_the_oldest(
    board: Switchboard,
) -> None:
    board.trunk.trunks = [trunk(cps=1)]
    await board.worker(capacity=50)
    placed = [await board.place(tenant=f"t{n % 2}") for n in range(14)]
    for first in range(0, 12, 4):
        dispatchers: list[Dispatcher] = []
        for n in range(4):
            board.pacer = OneAmongSeveral(clock=lambda: board.clock().timestamp())
            dispatchers.append(board.another_dispatcher(f"d{n}"))
        await asyncio.gather(*(dispatcher.step() for dispatcher in dispatchers))
        await asyncio.gather(*(dispatcher.settled() for dispatcher in dispatchers))
        states = [(await board.call(call_id)).status for call_id in placed[first:]]
        assert states == ["dispatching"] * 4 + ["queued"] * (len(states) - 4)
        for call_id in placed[first : first + 4]:
            assert (await board.events(call_id)).count("call.dispatching") == 1
            await board.agent_joins(call_id)
