"""Who takes a conversation over, when, and what happens where nobody can."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dialer.calls import takeover
from dialer.calls.rooms import ParticipantKind
from telephony.events import EventType
from telephony.worker_contract import CALLEE_IDENTITY
from tests.kit.switchboard import Switchboard

TURNS = (
    (EventType.CALL_TURN, {"speaker": "agent", "text": "Hello."}),
    (EventType.CALL_TURN, {"speaker": "callee", "text": "Hi there."}),
)
ENDED = (EventType.CALL_ENDED, {"ended_reason": "agent_error", "ended_by": "platform"})
Report = Callable[[], Coroutine[Any, Any, None]]


async def _nobody() -> None:
    """Report nothing."""


async def watch(board: Switchboard, seconds: float, report: Report = _nobody) -> None:
    """Let time pass: workers report once a second, the rescuer looks twice."""
    for half in range(round(seconds * 2)):
        if half % 2 == 0:
            await report()
        await board.rescuer.step()
        board.clock.forward(0.5)


async def _room(board: Switchboard, call_id: str) -> str:
    return (await board.attempt(call_id)).room


async def lost(board: Switchboard, call_id: str) -> int:
    """Count how often the call lost its agent."""
    return (await board.events(call_id)).count("call.agent_lost")


def only(board: Switchboard, *names: str, **fields: Any) -> Report:
    """Let these workers report, and no other."""

    async def report() -> None:
        for name in names:
            await board.worker(name, **fields)

    return report


async def test_a_call_whose_worker_reports_is_left_alone(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    await watch(board, 60, only(board, "w1", "w2", holds=[granted.attempt_id]))
    assert await lost(board, call_id) == 0
    assert board.rooms.redispatched == []


async def test_another_worker_is_asked_once_the_calls_own_is_silent(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    await board.report(granted, *TURNS)
    await watch(board, 3, only(board, "w1", "w2", holds=[granted.attempt_id]))
    await watch(board, 3, only(board, "w2"))
    assert await lost(board, call_id) == 0
    await watch(board, 2, only(board, "w2"))

    assert await lost(board, call_id) == 1
    request = await board.request(call_id)
    assert request.rescue is not None and request.rescue.number == 1
    assert [(said.speaker, said.text) for said in request.rescue.transcript] == [
        ("agent", "Hello."),
        ("callee", "Hi there."),
    ]
    assert request.rescue.answered_at == (await board.call(call_id)).answered_at
    # What is left of the lost agent in LiveKit's lists is taken out.
    assert board.rooms.removed == [(await _room(board, call_id), "agent-w1")]
    assert (await board.call(call_id)).status == "in_progress"


async def test_a_worker_that_came_back_without_its_call_takes_it_over(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await watch(board, 4, only(board, "w1", holds=[]))
    assert await lost(board, call_id) == 1
    granted = await board.agent_joins(call_id, "w1")
    rescued = {"worker_id": "w1", "rescue": 1}
    await board.report(granted, (EventType.CALL_AGENT_RESCUED, rescued))
    await watch(board, 60, only(board, "w1", holds=[granted.attempt_id]))
    assert await lost(board, call_id) == 1
    assert await board.ended(call_id) is None


async def test_a_worker_that_was_silent_and_is_back_without_its_call_gets_it_at_once(
    board: Switchboard,
) -> None:
    call_id, granted = await board.talking()
    await watch(board, 2, only(board, "w1", holds=[granted.attempt_id]))
    await watch(board, 6)
    # It is there again, and LiveKit does not know it yet.
    await watch(board, 2, only(board, "w1", holds=[], registered=False))
    assert await lost(board, call_id) == 0
    await board.worker("w1", holds=[])
    await board.rescuer.step()
    assert await lost(board, call_id) == 1


async def test_a_worker_that_never_gets_ready_is_not_waited_for(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    await watch(board, 2, only(board, "w1", holds=[granted.attempt_id]))
    await watch(board, 12, only(board, "w1", holds=[], registered=False))
    assert await lost(board, call_id) == 0
    assert await board.ended(call_id) == ("failed", "lost", "platform")


async def test_a_worker_that_was_silent_and_still_has_its_call_keeps_it(
    board: Switchboard,
) -> None:
    call_id, granted = await board.talking()
    await watch(board, 2, only(board, "w1", holds=[granted.attempt_id]))
    await watch(board, 6)
    await watch(board, 6, only(board, "w1", holds=[granted.attempt_id]))
    assert await lost(board, call_id) == 0


async def test_a_call_that_its_worker_gives_up_is_taken_over_at_once(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    await board.worker("w1", stuck=[granted.attempt_id], draining=True, holds=[])
    await board.worker("w2")
    await board.rescuer.step()
    assert await lost(board, call_id) == 1


async def test_an_agent_that_left_the_room_is_replaced(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    board.rooms.leave(await _room(board, call_id), "agent-w1")
    await board.reaper.step()
    board.clock.forward(1)
    await board.worker("w1", holds=[granted.attempt_id])
    await board.reaper.step()
    await board.rescuer.step()
    assert await lost(board, call_id) == 1


async def test_a_rescue_that_nobody_joins_ends_the_call(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await watch(board, 9, only(board, "w2"))
    assert await board.ended(call_id) == ("failed", "lost", "platform")
    assert board.rooms.rooms == {}


async def test_a_rescue_that_nobody_takes_is_asked_for_again(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await watch(board, 4.5, only(board, "w2"))
    room = board.rooms.rooms[await _room(board, call_id)]
    assert len(room.dispatches) == 1
    await watch(board, 2, only(board, "w2"))
    assert len(room.dispatches) == 5
    assert len({dispatch.metadata for dispatch in room.dispatches}) == 1

    assert await board.takes_over(call_id, "w2")
    await watch(board, 1, only(board, "w2"))
    assert len(room.dispatches) == 5


async def test_of_those_who_are_asked_one_takes_it_over(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    assert not await board.takes_over(call_id, "w1"), "nothing is to be taken over"
    await watch(board, 5, only(board, "w2", "w3"))

    assert await board.takes_over(call_id, "w2")
    assert not await board.takes_over(call_id, "w3")
    # Its first answer may have been lost.
    assert await board.takes_over(call_id, "w2")
    async with board.database.transaction() as tx:
        assert not await takeover.take(tx, granted, "w2"), "an old fence is nobody's"
    await board.agent_joins(call_id, "w2")
    assert not await board.takes_over(call_id, "w2"), "it was begun already"


async def test_an_agent_that_joins_and_never_speaks_is_not_waited_for(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    await watch(board, 5, only(board, "w2"))
    await board.agent_joins(call_id, "w2")
    await watch(board, 9, only(board, "w2", holds=[granted.attempt_id]))
    assert await board.ended(call_id) == ("failed", "lost", "platform")


async def test_where_all_are_full_the_call_ends_soon(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await watch(board, 9, only(board, "w2", live_calls=5))
    assert await board.ended(call_id) == ("failed", "lost", "platform")


async def test_a_stuck_agent_that_nobody_replaces_ends_the_call_by_name(
    board: Switchboard,
) -> None:
    call_id, granted = await board.talking()
    stuck = {"stuck": [granted.attempt_id], "draining": True, "holds": []}
    await watch(board, 5, only(board, "w1", **stuck))
    assert await board.ended(call_id) == ("failed", "agent_error", "platform")


async def test_when_no_worker_is_heard_at_all_it_may_be_us(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await watch(board, 60)
    assert await lost(board, call_id) == 0
    assert await board.ended(call_id) is None


async def test_after_our_own_absence_silence_counts_from_zero(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await board.worker("w1", holds=None)
    board.clock.forward(30)
    board.rescuer = board.another_rescuer()
    await watch(board, 3, only(board, "w2"))
    assert await lost(board, call_id) == 0


async def test_a_callee_who_is_gone_is_not_rescued(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    board.rooms.leave(await _room(board, call_id), CALLEE_IDENTITY)
    await watch(board, 9, only(board, "w2"))
    assert await lost(board, call_id) == 0


async def test_a_call_that_is_being_hung_up_is_not_rescued(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await board.report_hang_up(call_id)
    await watch(board, 9, only(board, "w2"))
    assert await lost(board, call_id) == 0


async def test_a_call_is_rescued_twice_and_then_given_up(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    for number, name in ((1, "w2"), (2, "w3")):
        await watch(board, 5, only(board, name))
        assert await lost(board, call_id) == number
        granted = await board.agent_joins(call_id, name)
        rescued = {"worker_id": name, "rescue": number}
        await board.report(granted, (EventType.CALL_AGENT_RESCUED, rescued))
    await watch(board, 6, only(board, "w9"))
    assert await board.ended(call_id) == ("failed", "lost", "platform")


async def test_two_dialers_rescue_a_call_once(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    other = board.another_rescuer()
    for _ in range(10):
        await board.worker("w2")
        await board.rescuer.step()
        await other.step()
        board.clock.forward(0.5)
    assert await lost(board, call_id) == 1
    assert len(board.rooms.redispatched) == 1


class TestTheLostOne:
    """What an agent that was superseded in a conversation may still say."""

    async def test_its_words_are_kept_and_its_end_is_not(self, board: Switchboard) -> None:
        call_id, granted = await board.talking()
        await watch(board, 5, only(board, "w2"))
        stored = await board.report(granted, *TURNS, ENDED)
        assert stored.superseded
        told = await board.events(call_id)
        assert told.count("call.turn") == 2
        assert await board.ended(call_id) is None
        assert stored.acknowledged == 6

    @pytest.mark.parametrize(
        "late",
        [
            (EventType.CALL_AGENT_JOINED, {"worker_id": "w1"}),
            (
                EventType.CALL_RECORDING_READY,
                {"path": "/x", "duration_seconds": 1, "sample_rate": 8},
            ),
            (EventType.CALL_AGENT_RESCUED, {"worker_id": "w1", "rescue": 1}),
        ],
    )
    async def test_nothing_of_the_new_ones_is_touched(
        self, board: Switchboard, late: tuple[EventType, dict[str, Any]]
    ) -> None:
        call_id, granted = await board.talking()
        await watch(board, 5, only(board, "w2"))
        await board.report(granted, late)
        attempt = await board.attempt(call_id)
        assert (attempt.worker_id, attempt.agent_ready_at) == (None, None)
        assert (await board.call(call_id)).recording_path is None

    async def test_it_comes_back_to_life_and_stays_out_of_it(self, board: Switchboard) -> None:
        call_id, granted = await board.talking()
        await watch(board, 5, only(board, "w2"))
        board.rooms.join(await _room(board, call_id), "agent-w2", ParticipantKind.AGENT)
        await board.report(granted, ENDED)
        assert (await board.call(call_id)).status == "in_progress"
