"""A dispatch that nobody takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dialer.calls import joining
from telephony.errors import Conflict
from tests.kit.switchboard import Switchboard


class TestNoAgentComes:
    """A dispatch that nobody takes."""

    async def test_it_is_dispatched_once_more_into_the_same_room(self, board: Switchboard) -> None:
        call_id = await board.dispatched()
        room = (await board.attempt(call_id)).room
        board.clock.forward(3.1)
        await board.worker()
        await board.dispatch()

        attempt = await board.attempt(call_id)
        assert board.rooms.redispatched == [room] and attempt.room == room
        assert (attempt.state, attempt.dispatches, attempt.fence) == ("claimed", 2, 2)

    async def test_the_agent_of_the_second_dispatch_dials(self, board: Switchboard) -> None:
        call_id = await board.dispatched()
        late = await board.grant(call_id)
        board.clock.forward(3.1)
        await board.dispatch()

        await board.dials(call_id)
        with pytest.raises(Conflict):
            await board.ask_permit(late)
        assert (await board.call(call_id)).status == "dialing"

    async def test_after_the_second_time_the_call_fails_for_want_of_an_agent(
        self, board: Switchboard
    ) -> None:
        await board.worker()
        call_id = await board.place()
        for _ in range(3):
            await board.worker()
            await board.dispatch()
            board.clock.forward(3.1)
        assert await board.ended(call_id) == ("failed", "no_agent", "platform")
        assert board.rooms.rooms == {}

    async def test_without_a_worker_left_it_waits_again_instead(self, board: Switchboard) -> None:
        call_id = await board.dispatched()
        late = await board.grant(call_id)
        for _ in range(2):
            board.clock.forward(3.5)
            await board.dispatch()

        call, attempt = await board.call(call_id), await board.attempt(call_id)
        assert (call.status, call.waiting_for) == ("queued", "worker")
        assert (attempt.state, attempt.dispatches, attempt.worker_id) == ("waiting", 0, None)
        assert board.rooms.rooms == {}
        with pytest.raises(Conflict):
            await board.ask_permit(late)

    async def test_where_all_workers_were_started_anew_meanwhile_it_waits_again(
        self, board: Switchboard
    ) -> None:
        call_id = await board.dispatched(registered_at=board.clock())
        board.clock.forward(3.1)
        await board.worker(registered_at=board.clock() - timedelta(seconds=5))
        await board.dispatch()
        board.clock.forward(3.1)
        # Killed and back within a presence's life: nobody ever was without a worker.
        await board.worker(registered_at=board.clock())
        await board.dispatch()
        assert "call.requeued" in await board.events(call_id)

        await board.dispatch()
        await board.dials(call_id)

    async def test_where_one_worker_was_there_all_the_time_it_does_not(
        self, board: Switchboard
    ) -> None:
        there = board.clock()
        call_id = await board.dispatched(registered_at=there)
        for _ in range(2):
            board.clock.forward(3.1)
            await board.worker(registered_at=there)
            await board.worker("w2", registered_at=board.clock())
            await board.dispatch()
        assert await board.ended(call_id) == ("failed", "no_agent", "platform")

    async def test_a_late_agent_cannot_dial_the_call_that_was_claimed_again(
        self, board: Switchboard
    ) -> None:
        call_id = await board.dispatched()
        late = await board.grant(call_id)
        for _ in range(2):
            board.clock.forward(3.5)
            await board.dispatch()
        await board.worker()
        await board.dispatch()
        assert (await board.call(call_id)).status == "dispatching"
        with pytest.raises(Conflict):
            await board.ask_permit(late)
        await board.dials(call_id)

    async def test_an_agent_that_joins_in_time_is_left_alone(self, board: Switchboard) -> None:
        call_id = await board.dispatched()
        board.clock.forward(2.9)
        await board.agent_joins(call_id)
        board.clock.forward(5)
        await board.worker()
        await board.dispatch()
        assert board.rooms.redispatched == []

    async def test_an_agent_that_never_asks_for_the_permit_gives_the_call_back(
        self, board: Switchboard
    ) -> None:
        call_id = await board.dispatched()
        await board.agent_joins(call_id)
        board.clock.forward(31)
        await board.dispatch()
        assert (await board.call(call_id)).status == "queued"

    async def test_a_call_that_kills_its_agents_is_not_tried_for_ever(
        self, board: Switchboard
    ) -> None:
        call_id = await board.place()
        for _ in range(3):
            await board.worker()
            await board.dispatch()
            await board.agent_joins(call_id)
            board.clock.forward(31)
            await board.dispatch()
        assert await board.ended(call_id) == ("failed", "no_agent", "platform")

    async def test_among_busy_workers_it_waits_again_and_not_for_ever(
        self, board: Switchboard
    ) -> None:
        call_id = await board.place()
        for _ in range(40):
            # Busy, and with room: whether a dispatch was dropped or refused nobody can tell.
            await board.worker(live_calls=2)
            await board.dispatch()
            board.clock.forward(3.1)
            if await board.ended(call_id):
                break
        assert await board.ended(call_id) == ("failed", "no_agent", "platform")
        assert (await board.events(call_id)).count("call.requeued") == 5

    @pytest.mark.parametrize("requeues", [0, 5], ids=["would wait again", "would end"])
    async def test_an_agent_that_joins_while_the_call_is_judged_keeps_it(
        self, board: Switchboard, monkeypatch: pytest.MonkeyPatch, requeues: int
    ) -> None:
        monkeypatch.setattr(joining, "_MOST_REQUEUES", 5 - requeues)
        call_id = await board.dispatched(live_calls=2)
        board.clock.forward(3.1)
        await board.worker(live_calls=2)
        await board.dispatch()
        board.clock.forward(3.1)
        judged = joining.count

        async def meanwhile(*given: Any) -> Any:
            found = await judged(*given)
            await board.agent_joins(call_id)
            return found

        monkeypatch.setattr(joining, "count", meanwhile)
        await board.dispatcher.step()

        call, attempt = await board.call(call_id), await board.attempt(call_id)
        assert (call.status, attempt.state) == ("dispatching", "claimed")
        assert attempt.room in board.rooms.rooms
        await board.ask_permit(await board.grant(call_id))
        assert (await board.call(call_id)).status == "dialing"
