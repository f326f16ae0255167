"""From the queue to a worker's room."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.calls import claims, queue
from dialer.calls.joining import Rules
from telephony.call import EndedReason
from tests.kit.switchboard import Switchboard
from tests.kit.trunks import trunk
from tests.kit.until import until


async def test_a_waiting_call_gets_a_room_with_the_agent_asked_inside(board: Switchboard) -> None:
    call_id = await board.dispatched()

    attempt = await board.attempt(call_id)
    request = await board.request(call_id)
    assert (await board.call(call_id)).status == "dispatching"
    assert attempt.state == "claimed" and attempt.fence == 1 and attempt.dispatches == 1
    assert attempt.room == f"tel-{attempt.id}"
    assert request.trunk_id == "ST_test" and request.phone_number == "+14155550100"
    assert request.agent.greeting == "Hello there."
    assert (await board.grant(call_id)).fence == 1


async def test_without_a_worker_the_call_waits_and_says_so_once(board: Switchboard) -> None:
    call_id = await board.place()
    for _ in range(3):
        await board.dispatch()
        board.clock.forward(1)

    assert (await board.call(call_id)).waiting_for == "worker"
    assert await board.events(call_id) == ["call.queued", "call.waiting"]
    assert board.rooms.created == []

    await board.worker()
    await board.dispatch()
    assert (await board.call(call_id)).status == "dispatching"
    assert (await board.call(call_id)).waiting_for is None


async def test_a_draining_or_cut_off_worker_gets_no_call(board: Switchboard) -> None:
    await board.worker("w1", draining=True)
    await board.worker("w2", registered=False)
    call_id = await board.place()
    await board.dispatch()
    assert (await board.call(call_id)).waiting_for == "worker"


async def test_a_worker_whose_presence_expired_gets_no_call(board: Switchboard) -> None:
    await board.worker()
    board.clock.forward(7)
    call_id = await board.place()
    await board.dispatch()
    assert (await board.call(call_id)).waiting_for == "worker"


async def test_full_workers_let_the_rest_wait_for_capacity(board: Switchboard) -> None:
    await board.worker(capacity=2)
    placed = [await board.place() for _ in range(3)]
    await board.dispatch()
    states = [(await board.call(call_id)).status for call_id in placed]
    assert states == ["dispatching", "dispatching", "queued"]
    assert (await board.call(placed[2])).waiting_for == "capacity"


async def test_the_workers_own_count_fills_it_too(board: Switchboard) -> None:
    call_id = await board.dispatched(capacity=2, live_calls=2)
    assert (await board.call(call_id)).waiting_for == "capacity"


async def test_attempts_that_run_fill_a_worker_that_does_not_count_them_yet(
    board: Switchboard,
) -> None:
    first = await board.dispatched(capacity=1)
    await board.dials(first)
    second = await board.place()
    await board.dispatch()
    assert (await board.call(second)).waiting_for == "capacity"


async def test_only_a_few_agents_join_at_once(board: Switchboard) -> None:
    board.trunk.trunks = [trunk(cps=8)]
    await board.worker(capacity=50)
    placed = [await board.place() for _ in range(6)]
    await board.dispatch()
    assert len(board.rooms.created) == 4

    await board.agent_joins(placed[0])
    await board.dispatch()
    assert len(board.rooms.created) == 5


async def test_a_fast_trunk_has_as_many_agents_join_as_its_pace_needs(board: Switchboard) -> None:
    board.trunk.trunks = [trunk(cps=20)]
    await board.worker(capacity=50)
    for _ in range(15):
        await board.place()
    await board.dispatch()
    assert len(board.rooms.created) == 10


@pytest.mark.parametrize(
    ("cps", "seats", "at_once"), [(1, 50, 4), (5, 50, 4), (20, 50, 10), (20, 18, 6), (20, 10, 4)]
)
def test_how_many_agents_join_follows_the_pace_within_a_third_of_the_seats(
    cps: float, seats: int, at_once: int
) -> None:
    assert Rules(agent_name="telephony").at_once(cps=cps, seats=seats) == at_once


async def test_while_the_pace_holds_all_up_no_signal_makes_a_dispatcher_look_at_the_queue(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.trunk.trunks = [trunk(cps=1)]
    await board.worker(capacity=50)
    placed = [await board.place() for _ in range(3)]
    any_waits, looks = queue.any_waits, list[None]()

    async def counted(connection: AsyncConnection, *, now: datetime) -> bool:
        looks.append(None)
        return await any_waits(connection, now=now)

    async def paced() -> bool:
        return (await board.call(placed[1])).waiting_for == "pacing"

    async def left() -> bool:
        return (await board.call(placed[1])).status == "dispatching"

    running, loop = asyncio.create_task(board.dispatcher.run()), asyncio.get_running_loop()
    await until(paced)
    monkeypatch.setattr(queue, "any_waits", counted)
    began = loop.time()
    for _ in range(50):
        await board.signals.work_waiting()
        await asyncio.sleep(0.01)
    assert len(looks) <= 3 + 2 * (loop.time() - began), "it looks about once a second"
    board.clock.forward(1)
    await until(left)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_without_a_trunk_the_call_waits_for_it(board: Switchboard) -> None:
    await board.worker()
    board.trunk.id = None
    call_id = await board.place()
    await board.dispatch()
    assert (await board.call(call_id)).waiting_for == "trunk"


async def test_without_livekit_the_call_waits_for_the_media_server(board: Switchboard) -> None:
    await board.worker()
    board.trunk.down = True
    call_id = await board.place()
    await board.dispatch()
    assert (await board.call(call_id)).waiting_for == "media_server"
    assert (await board.attempt(call_id)).fence == 0


async def test_a_room_that_cannot_be_made_puts_the_call_back(board: Switchboard) -> None:
    await board.worker()
    board.rooms.refuse_create = True
    call_id = await board.place()
    await board.dispatch()

    call = await board.call(call_id)
    assert (call.status, call.waiting_for) == ("queued", "media_server")
    assert (await board.attempt(call_id)).number == 1
    assert "call.requeued" in await board.events(call_id)

    board.rooms.refuse_create = False
    await board.dispatch()
    assert (await board.call(call_id)).status == "queued", "it rests before it tries again"
    board.clock.forward(6)
    await board.worker()
    await board.dispatch()
    assert (await board.call(call_id)).status == "dispatching"


async def test_calls_leave_no_faster_than_the_trunk_takes_them(board: Switchboard) -> None:
    board.rules = replace(board.rules, joining_at_once=50)
    board.trunk.trunks = [trunk(cps=2)]
    board.dispatcher = board.another_dispatcher("slow")
    await board.worker(capacity=50)
    placed = [await board.place() for _ in range(5)]

    assert 0 < await board.dispatch() <= 1
    assert len(board.rooms.created) == 2
    assert (await board.call(placed[2])).waiting_for == "pacing"
    board.clock.forward(0.5)
    await board.dispatch()
    assert len(board.rooms.created) == 2
    board.clock.forward(0.5)
    await board.dispatch()
    assert len(board.rooms.created) == 4


async def test_the_oldest_call_leaves_first(board: Switchboard) -> None:
    placed: list[str] = []
    for _ in range(3):
        placed.append(await board.place())
        board.clock.forward(1)
    await board.worker(capacity=1)
    await board.dispatch()
    assert [(await board.call(c)).status for c in placed] == ["dispatching", "queued", "queued"]


async def test_a_tenant_with_a_long_queue_does_not_starve_another(board: Switchboard) -> None:
    for _ in range(5):
        await board.place(tenant="greedy")
    board.clock.forward(1)
    modest = await board.place(tenant="modest")
    await board.worker(capacity=2)
    await board.dispatch()
    assert (await board.call(modest)).status == "dispatching"


async def test_a_call_whose_agent_is_no_longer_described_ends(board: Switchboard) -> None:
    await board.worker()
    call_id = await board.place()
    board.forget_agents()
    await board.dispatch()
    assert await board.ended(call_id) == ("failed", "agent_error", "platform")


async def test_a_call_that_is_hung_up_while_its_room_is_made_leaves_no_room(
    board: Switchboard,
) -> None:
    await board.worker()
    call_id = await board.place()
    board.rooms.creating.clear()
    await board.dispatcher.step()
    await _hang_up_undialled(board, call_id)
    board.rooms.creating.set()
    await board.dispatcher.settled()
    assert len(board.rooms.created) == 1
    assert board.rooms.rooms == {}


async def _hang_up_undialled(board: Switchboard, call_id: str) -> None:
    attempt = await board.attempt(call_id)
    mine = claims.Claim(attempt.tenant_id, call_id, attempt.id, attempt.fence, attempt.room)
    async with board.database.transaction() as tx:
        assert await claims.give_up(tx, mine, EndedReason.API_HANGUP, "", now=board.clock())


async def test_the_loop_survives_failing_rounds_and_stops_when_told(board: Switchboard) -> None:
    call_id = await board.place()
    await board.worker()
    real, failures = board.presence.live, iter([RuntimeError("once"), RuntimeError("twice")])

    async def failing() -> object:
        error = next(failures, None)
        if error is not None:
            raise error
        return await real()

    board.presence.live = failing  # type: ignore[method-assign]
    running = asyncio.create_task(board.dispatcher.run())

    async def dispatched() -> bool:
        return (await board.call(call_id)).status == "dispatching"

    await until(dispatched)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
