"""Dispatchers in more than one process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.calls import claims, queue
from dialer.calls.dispatch import Dispatcher
from dialer.calls.rooms import ParticipantKind
from tests.kit.switchboard import Switchboard
from tests.kit.trunks import OneAmongSeveral, trunk


async def _die_suddenly() -> None:
    """Let the process be gone before its rooms are made."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)


async def _claimed_without_a_room(board: Switchboard) -> str:
    """Claim a call; its room is still being made."""
    await board.worker()
    call_id = await board.place()
    board.rooms.creating.clear()
    await board.dispatcher.step()
    return call_id


class TestSeveralDispatchers:
    """Loops in more than one process."""

    async def test_a_dispatcher_that_died_before_the_room_is_replaced(
        self, board: Switchboard
    ) -> None:
        call_id = await _claimed_without_a_room(board)
        await _die_suddenly()
        board.rooms.creating.set()

        second = board.another_dispatcher("d2")
        await second.step()
        assert board.rooms.rooms == {}, "the lease still stands"
        board.clock.forward(26)
        await board.worker()
        await second.step()
        await second.settled()
        attempt = await board.attempt(call_id)
        assert (attempt.lease_owner, attempt.fence, attempt.dispatches) == ("d2", 2, 1)
        await board.dials(call_id)

    async def test_a_room_of_the_dead_claim_is_not_reused(self, board: Switchboard) -> None:
        call_id = await board.dispatched()
        room = (await board.attempt(call_id)).room
        board.rooms.join(room, "agent-late", ParticipantKind.AGENT)
        for _ in range(2):
            board.clock.forward(3.5)
            await board.dispatch()
        await board.worker()
        await board.dispatch()
        assert "agent-late" not in board.rooms.rooms[room].members

    async def test_a_claim_that_was_overtaken_leaves_the_others_room_alone(
        self, board: Switchboard
    ) -> None:
        call_id = await _claimed_without_a_room(board)
        board.clock.forward(26)
        await board.worker()
        second = board.another_dispatcher("d2")
        await second.step()
        board.rooms.creating.set()
        await second.settled()
        await board.dispatcher.settled()

        attempt = await board.attempt(call_id)
        assert attempt.lease_owner == "d2" and attempt.room in board.rooms.rooms
        # Whose request LiveKit took first is chance. An agent of the older claim is refused.
        board.clock.forward(3.5)
        await second.step()
        await second.settled()
        await board.dials(call_id)

    async def test_a_token_whose_call_was_taken_meanwhile_serves_the_next_call(
        self, board: Switchboard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await board.worker(capacity=50)
        board.trunk.trunks = [trunk(cps=1)]
        placed = [await board.place() for _ in range(3)]
        made: list[Dispatcher] = []
        for name in ("slow", "quick"):
            board.pacer = OneAmongSeveral(clock=lambda: board.clock().timestamp())
            made.append(board.another_dispatcher(name))
        (slow, quick), waiting = made, queue.waiting

        async def overtaken(connection: AsyncConnection, **given: Any) -> list[Row[Any]]:
            seen = await waiting(connection, **given)
            monkeypatch.setattr(queue, "waiting", waiting)
            await quick.step()
            return seen

        monkeypatch.setattr(queue, "waiting", overtaken)
        await slow.step()
        owners = [(await board.attempt(call_id)).lease_owner for call_id in placed]
        assert owners == ["quick", "slow", None]
        for dispatcher in made:
            await dispatcher.settled()

    async def test_a_dispatcher_that_slept_through_its_lease_deletes_no_room_of_anothers(
        self, board: Switchboard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        call_id = await _claimed_without_a_room(board)
        await _die_suddenly()
        board.rooms.creating.set()
        slow, quick, held = (
            board.another_dispatcher("d2"),
            board.another_dispatcher("d3"),
            claims.held,
        )

        async def overtake(*given: Any) -> bool:
            monkeypatch.setattr(claims, "held", held)
            board.clock.forward(26)
            await board.worker()
            await quick.step()
            await quick.settled()
            await board.agent_joins(call_id)
            return await held(*given)

        monkeypatch.setattr(claims, "held", overtake)
        board.clock.forward(26)
        await board.worker()
        await slow.step()
        await slow.settled()

        attempt = await board.attempt(call_id)
        assert attempt.lease_owner == "d3"
        assert "agent-w1" in board.rooms.rooms[attempt.room].members
