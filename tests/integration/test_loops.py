"""The loops and the witnesses all at once, on both databases."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from dialer.calls import waiting
from dialer.calls.store import Calls
from telephony.call import WaitingFor
from telephony.errors import Conflict
from telephony.events import EventType
from tests.kit.statements import asked
from tests.kit.switchboard import Switchboard

ENDED = (EventType.CALL_ENDED, {"ended_reason": "callee_hangup", "ended_by": "callee"})


async def test_a_burst_of_twenty_calls_is_dialled_to_the_last(board: Switchboard) -> None:
    placed = [await board.place() for _ in range(20)]
    most = 0
    for _ in range(60):
        if all([await board.ended(call_id) for call_id in placed]):
            break
        await board.worker(capacity=5)
        await board.dispatch()
        states = {call_id: (await board.call(call_id)).status for call_id in placed}
        most = max(most, sum(state not in ("queued", "ended") for state in states.values()))
        for call_id, state in states.items():
            if state == "dispatching":
                await board.dials(call_id)
            elif state == "dialing":
                await board.report(await board.grant(call_id), (EventType.CALL_ANSWERED, {}), ENDED)
        board.clock.forward(0.2)

    assert {await board.ended(call_id) for call_id in placed} == {
        ("completed", "callee_hangup", "callee")
    }
    for call_id in placed:
        assert (await board.events(call_id)).count("call.dialing") == 1
    assert most <= 5


async def test_every_call_of_a_long_queue_says_what_it_waits_for_in_a_few_statements(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "BATCH", 20)
    placed = [await board.place(tenant=f"t{n % 3}") for n in range(62)]
    with asked(board.database) as first:
        await board.dispatch()
    with asked(board.database) as second:
        await board.dispatch()

    assert len(first) < 30 and len(second) < 10
    for call_id in (placed[0], placed[51], placed[-1]):
        assert (await board.call(call_id)).waiting_for == "worker"
        assert await board.events(call_id) == ["call.queued", "call.waiting"]
        assert (await board.call(call_id)).last_sequence == 2
    await board.report_hang_up(placed[-1])
    assert (await board.events(placed[-1]))[-1] == "call.hangup_requested"


async def test_what_changes_for_everybody_is_told_to_old_and_new_in_small_batches(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "BATCH", 2)
    knowing = [await board.place() for _ in range(5)]
    await board.dispatch()
    newcomers = [await board.place() for _ in range(5)]
    for what, news in ((WaitingFor.TRUNK, 10), (WaitingFor.TRUNK, 0), (WaitingFor.WORKER, 10)):
        told = await waiting.tell_all(board.database, what, now=board.clock())
        assert len({call_id for _, call_id in told}) == len(told) == news
    for call_id in (*knowing, *newcomers):
        before = 1 if call_id in knowing else 0
        assert (await board.events(call_id)).count("call.waiting") == before + 2
        assert (await board.call(call_id)).waiting_for == "worker"


async def test_calls_that_come_within_a_second_are_told_together_and_say_it_before(
    board: Switchboard,
) -> None:
    first = await board.place()
    await board.dispatch()
    assert (await board.call(first)).waiting_for == "worker"
    later = [await board.place() for _ in range(3)]
    assert 0 < await board.dispatch() <= 1
    assert await board.events(later[0]) == ["call.queued"]
    async with board.database.reading() as connection:
        seen = [await Calls(connection, "default").get(call_id) for call_id in later]
    assert {call.waiting_for for call in seen} == {"worker"}

    board.clock.forward(1)
    await board.dispatch()
    for call_id in (first, *later):
        assert await board.events(call_id) == ["call.queued", "call.waiting"]


async def test_dispatchers_that_tell_the_queue_at_once_tell_each_call_once(
    board: Switchboard,
) -> None:
    placed = [await board.place() for _ in range(12)]
    await asyncio.gather(*(board.another_dispatcher(f"d{n}").step() for n in range(4)))
    await board.dispatch()
    for call_id in placed:
        assert await board.events(call_id) == ["call.queued", "call.waiting"]


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))]
)
async def test_whatever_happens_at_once_each_call_is_dialled_once_and_ends(
    board: Switchboard, seed: int
) -> None:
    chance = random.Random(seed)
    await board.worker(capacity=50)
    placed = [await board.place() for _ in range(6)]
    dispatchers = [board.another_dispatcher(f"d{n}") for n in range(2)]

    async def agent(call_id: str) -> None:
        with contextlib.suppress(Conflict, KeyError, IndexError):
            granted = await board.agent_joins(call_id)
            await board.ask_permit(granted)
            await board.report(granted, (EventType.CALL_RINGING, {}))
            if chance.random() < 0.7:
                await board.report(granted, (EventType.CALL_ANSWERED, {}))
            if chance.random() < 0.5:
                await board.report(granted, ENDED)

    async def hang_up(call_id: str) -> None:
        if chance.random() < 0.3:
            await board.report_hang_up(call_id)

    for _ in range(8):
        await board.worker(capacity=50)
        await asyncio.gather(
            *(dispatcher.step() for dispatcher in dispatchers),
            board.reaper.step(),
            *(agent(call_id) for call_id in placed),
            *(agent(call_id) for call_id in placed),
            *(hang_up(call_id) for call_id in placed),
        )
        board.clock.forward(2)
    for dispatcher in dispatchers:
        await dispatcher.settled()
    await board.reap(seconds=700)

    for call_id in placed:
        told = await board.events(call_id)
        assert told.count("call.dialing") <= 1
        assert told.count("call.ended") >= 1 or (await board.call(call_id)).status in (
            "queued",
            "dispatching",
        )
