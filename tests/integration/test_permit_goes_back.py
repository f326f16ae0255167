"""A permit that comes back unused: the call waits and is dialled again, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dialer.tenants.tokens import AttemptGrant
from telephony.errors import Conflict
from telephony.events import EventType
from telephony.worker_contract import ReturnReason
from tests.kit.switchboard import Switchboard


async def _returned(board: Switchboard) -> tuple[str, AttemptGrant]:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted)
    await board.return_permit(granted)
    return call_id, granted


async def _tries_again(board: Switchboard, call_id: str) -> AttemptGrant:
    board.clock.forward(10)
    await board.worker(capacity=50)
    await board.dispatch()
    return await board.grant(call_id)


@pytest.mark.fault("F5", "F6")
async def test_a_permit_that_comes_back_lets_the_attempt_wait_for_a_bridge(
    board: Switchboard,
) -> None:
    call_id, granted = await _returned(board)
    call, attempt = await board.call(call_id), await board.attempt(call_id)
    assert (call.status, call.waiting_for, call.dialing_at) == ("queued", "bridge", None)
    assert (attempt.state, attempt.number, attempt.sent_at) == ("waiting", 1, None)
    assert attempt.fence > granted.fence

    await board.worker(capacity=50)
    await board.dispatch()
    assert (await board.call(call_id)).status == "queued", "it rests first"

    again = await _tries_again(board, call_id)
    with pytest.raises(Conflict):
        await board.ask_permit(granted)
    await board.ask_permit(again)
    assert (await board.call(call_id)).status == "dialing"
    assert (await board.events(call_id)).count("call.dialing") == 2


@pytest.mark.fault("F5", "F6")
async def test_a_permit_that_comes_back_twice_came_back_once(board: Switchboard) -> None:
    call_id, granted = await _returned(board)
    seen = await board.attempt(call_id)
    assert await board.return_permit(granted) == call_id
    assert await board.attempt(call_id) == seen
    again = await _tries_again(board, call_id)
    await board.ask_permit(again)
    await board.return_permit(granted)
    assert (await board.attempt(call_id)).state == "sent"
    assert (await board.events(call_id)).count("call.requeued") == 1


async def test_only_a_permit_that_was_given_and_not_used_comes_back(
    board: Switchboard,
) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    with pytest.raises(Conflict):
        await board.return_permit(granted)
    await board.ask_permit(granted)
    await board.report(granted, (EventType.CALL_RINGING, {}))
    with pytest.raises(Conflict):
        await board.return_permit(granted)
    assert (await board.call(call_id)).status == "ringing"


@pytest.mark.fault("F5", "F6")
async def test_a_call_that_was_hung_up_meanwhile_is_not_tried_again(
    board: Switchboard,
) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted)
    await board.report_hang_up(call_id)
    await board.return_permit(granted)
    assert await board.ended(call_id) == ("canceled", "api_hangup", "api")


@pytest.mark.fault("F5", "F6")
async def test_a_call_that_meets_no_bridge_for_a_minute_ends_by_name(
    board: Switchboard,
) -> None:
    call_id, _ = await _returned(board)
    began = board.clock()
    while await board.ended(call_id) is None:
        assert (board.clock() - began).total_seconds() < 90
        again = await _tries_again(board, call_id)
        await board.ask_permit(again)
        await board.return_permit(again)
    assert (board.clock() - began).total_seconds() >= 60
    assert await board.ended(call_id) == ("failed", "bridge_lost", "platform")


@pytest.mark.fault("F5", "F6")
async def test_returns_and_a_hang_up_that_race_end_or_queue_the_call(
    board: Switchboard,
) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted)
    await asyncio.gather(
        board.return_permit(granted),
        board.return_permit(granted),
        board.report_hang_up(call_id),
        return_exceptions=True,
    )
    told = await board.events(call_id)
    assert told.count("call.requeued") + told.count("call.ended") == 1


@pytest.mark.fault("F5", "F6")
async def test_what_is_told_late_of_a_permit_that_came_back_changes_nothing(
    board: Switchboard,
) -> None:
    call_id, granted = await _returned(board)
    ended = {"ended_reason": "bridge_lost", "ended_by": "platform"}
    late: list[tuple[str, dict[str, Any]]] = [
        (EventType.CALL_RINGING, {}),
        (EventType.CALL_ANSWERED, {}),
        (EventType.CALL_ENDED, ended),
    ]
    await board.report(granted, *late)
    assert (await board.call(call_id)).status == "queued"
    again = await _tries_again(board, call_id)
    await board.ask_permit(again)
    await board.report(granted, *late)
    assert (await board.call(call_id)).status == "dialing"


@pytest.mark.fault("F5", "F6")
async def test_a_verdict_about_a_permit_that_came_back_ends_nothing(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted)
    await board.reap(seconds=18)
    served = board.rooms.served

    async def meanwhile(room: str) -> bool:
        """Let the next agent have the permit while the reaper still looks at this one."""
        seen = await served(room)
        monkeypatch.setattr(board.rooms, "served", served)
        await board.return_permit(granted)
        await board.ask_permit(await _tries_again(board, call_id))
        return seen

    monkeypatch.setattr(board.rooms, "served", meanwhile)
    await board.reap(seconds=3)
    assert (await board.call(call_id)).status == "dialing"


@pytest.mark.fault("F20")
async def test_a_call_that_came_too_fast_waits_for_the_pace_and_is_dialled_again(
    board: Switchboard,
) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted)
    await board.return_permit(granted, ReturnReason.TOO_FAST)
    call, attempt = await board.call(call_id), await board.attempt(call_id)
    assert (call.status, call.waiting_for) == ("queued", "pacing")
    assert (attempt.state, attempt.number) == ("waiting", 1), "the attempt is not used up"

    again = await _tries_again(board, call_id)
    await board.ask_permit(again)
    assert (await board.call(call_id)).status == "dialing"


async def test_a_call_whose_refusal_was_lost_is_dialled_again_twice_and_no_more(
    board: Switchboard,
) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted)
    for _ in range(2):
        await board.return_permit(granted, ReturnReason.REFUSAL_LOST)
        call, attempt = await board.call(call_id), await board.attempt(call_id)
        assert (call.status, call.waiting_for) == ("queued", "bridge")
        assert (attempt.state, attempt.number) == ("waiting", 1), "the attempt is not used up"
        granted = await _tries_again(board, call_id)
        await board.ask_permit(granted)
    with pytest.raises(Conflict):
        await board.return_permit(granted, ReturnReason.REFUSAL_LOST)
    # Refused, so that its holder ends the call.
    assert (await board.call(call_id)).status == "dialing"


@pytest.mark.fault("F20")
async def test_a_carrier_that_wants_fewer_for_a_minute_has_the_last_word(
    board: Switchboard,
) -> None:
    call_id = await board.claimed()
    granted, began = await board.grant(call_id), board.clock()
    await board.ask_permit(granted)
    while (board.clock() - began).total_seconds() < 60:
        await board.return_permit(granted, ReturnReason.TOO_FAST)
        granted = await _tries_again(board, call_id)
        await board.ask_permit(granted)
    with pytest.raises(Conflict):
        await board.return_permit(granted, ReturnReason.TOO_FAST)
    # Refused, so that its holder ends the call by what the carrier said.
    assert (await board.call(call_id)).status == "dialing"
