"""The recorder: every fact once, in order, whoever tells it, on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from dialer.adapters.tables import events
from dialer.calls.record import Fact, Recorded, record
from telephony.events import EventType, Source
from tests.kit.switchboard import Switchboard


async def _tell(
    board: Switchboard,
    call_id: str,
    type_: EventType,
    sequence: str,
    *,
    source: Source = Source.WORKER,
    seconds: float = 0,
    moves: bool = True,
    **data: Any,
) -> Recorded | None:
    attempt = await board.attempt(call_id)
    now = board.clock()
    fact = Fact(
        attempt.tenant_id,
        call_id,
        attempt.id,
        type_,
        source,
        sequence,
        now + timedelta(seconds=seconds),
        data,
    )
    async with board.database.transaction() as tx:
        return await record(tx, fact, now=now, moves=moves)


async def test_a_fact_that_is_told_twice_is_stored_once(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    turn: dict[str, Any] = {"speaker": "callee", "text": "hello"}
    first = await _tell(board, call_id, EventType.CALL_TURN, "x", **turn)
    again = await _tell(board, call_id, EventType.CALL_TURN, "x", **turn)
    assert first is not None and not first.changed
    assert again is None
    assert granted.attempt_id == (await board.attempt(call_id)).id
    assert (await board.events(call_id)).count("call.turn") == 1


async def test_witnesses_that_tell_at_once_get_places_without_gaps(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    before = (await board.call(call_id)).last_sequence
    told = await asyncio.gather(
        *(
            _tell(board, call_id, EventType.CALL_DTMF, str(n % 10), digit="1", direction="sent")
            for n in range(30)
        )
    )
    places = sorted(one.sequence for one in told if one is not None)
    assert places == list(range(before + 1, before + 11))
    assert (await board.call(call_id)).last_sequence == before + 10


async def test_of_many_ends_told_at_once_the_first_stands(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    reasons = ["callee_hangup", "silence", "lost", "max_duration"] * 3
    told = await asyncio.gather(
        *(
            _tell(
                board,
                call_id,
                EventType.CALL_ENDED,
                f"{n}",
                ended_reason=reason,
                ended_by="platform",
            )
            for n, reason in enumerate(reasons)
        )
    )
    movers = [n for n, one in enumerate(told) if one is not None and one.changed]
    assert len(movers) == 1
    assert (await board.call(call_id)).ended_reason == reasons[movers[0]]


@pytest.mark.fault("F31")
async def test_what_comes_after_the_end_is_kept_and_changes_nothing(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await _tell(board, call_id, EventType.CALL_ENDED, "e", ended_reason="silence", ended_by="agent")
    over = await board.call(call_id)
    late = await _tell(board, call_id, EventType.CALL_RINGING, "r")
    assert late is not None and not late.changed
    now = await board.call(call_id)
    assert (now.status, now.ended_at, now.ringing_at) == ("ended", over.ended_at, over.ringing_at)
    assert (await board.events(call_id))[-1] == "call.ringing"


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_a_witness_with_a_wrong_clock_cannot_put_a_call_out_of_order(
    board: Switchboard, seconds: float
) -> None:
    call_id = await board.dispatched()
    await board.dials(call_id)
    board.clock.forward(2)
    await _tell(board, call_id, EventType.CALL_RINGING, "r", seconds=seconds)
    board.clock.forward(2)
    await _tell(board, call_id, EventType.CALL_ANSWERED, "a")
    call = await board.call(call_id)
    times = [call.queued_at, call.dispatching_at, call.dialing_at, call.ringing_at]
    assert times == sorted(times)
    assert call.ringing_at <= call.answered_at <= board.clock()


async def test_an_end_after_a_hang_up_is_the_callers_of_the_api(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    await board.report_hang_up(call_id)
    await _tell(
        board, call_id, EventType.CALL_ENDED, "e", ended_reason="callee_hangup", ended_by="callee"
    )
    assert await board.ended(call_id) == ("completed", "api_hangup", "api")


async def test_an_end_that_was_caused_otherwise_stays_so_despite_a_hang_up(
    board: Switchboard,
) -> None:
    call_id, _ = await board.talking()
    await board.report_hang_up(call_id)
    await _tell(
        board, call_id, EventType.CALL_ENDED, "e", ended_reason="max_duration", ended_by="platform"
    )
    assert await board.ended(call_id) == ("completed", "max_duration", "platform")


@pytest.mark.parametrize("answered", [True, False])
async def test_a_hang_up_that_nobody_asked_for_is_no_hang_up_of_ours(
    board: Switchboard, answered: bool
) -> None:
    call_id = await _dialled(board, answered=answered)
    await _tell(
        board, call_id, EventType.CALL_ENDED, "e", ended_reason="api_hangup", ended_by="api"
    )
    assert await board.ended(call_id) == ("failed", "lost", "platform")


@pytest.mark.parametrize(
    ("reason", "answered"),
    [
        ("ring_timeout", False),
        ("no_response", False),
        ("lost", False),
        ("lost", True),
        ("callee_hangup", False),
        ("callee_hangup", True),
        ("ring_timeout", True),
    ],
)
async def test_what_a_worker_makes_of_our_hang_up_is_recorded_as_our_hang_up(
    board: Switchboard, reason: str, answered: bool
) -> None:
    call_id = await _dialled(board, answered=answered)
    await board.report_hang_up(call_id)
    board.clock.forward(1)
    await _tell(board, call_id, EventType.CALL_ENDED, "e", ended_reason=reason, ended_by="platform")
    outcome = "completed" if answered else "canceled"
    assert await board.ended(call_id) == (outcome, "api_hangup", "api")


async def test_a_callee_who_hung_up_before_we_asked_did_hang_up(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    board.clock.forward(5)
    await board.report_hang_up(call_id)
    await _tell(
        board,
        call_id,
        EventType.CALL_ENDED,
        "e",
        seconds=-1,
        ended_reason="callee_hangup",
        ended_by="callee",
    )
    assert await board.ended(call_id) == ("completed", "callee_hangup", "callee")


async def _dialled(board: Switchboard, *, answered: bool) -> str:
    if answered:
        return (await board.talking())[0]
    call_id = await board.dispatched()
    await board.dials(call_id)
    return call_id


async def test_bad_data_is_refused_whole(board: Switchboard) -> None:
    call_id, _ = await board.talking()
    before = await board.events(call_id)
    with pytest.raises(ValidationError):
        await _tell(board, call_id, EventType.CALL_TURN, "t", speaker="nobody", text="x")
    assert await board.events(call_id) == before


async def test_a_fact_that_must_not_move_the_call_does_not(board: Switchboard) -> None:
    call_id = await board.dispatched()
    told = await _tell(board, call_id, EventType.CALL_DIALING, "d", moves=False)
    assert told is not None and not told.changed
    assert (await board.call(call_id)).status == "dispatching"


async def test_the_verdict_is_in_the_event_as_in_the_record(board: Switchboard) -> None:
    call_id = await board.dispatched()
    await board.dials(call_id)
    await _tell(
        board,
        call_id,
        EventType.CALL_ENDED,
        "e",
        ended_reason="busy",
        ended_by="callee",
        sip_status_code=486,
        sip_status="Busy Here",
    )
    call = await board.call(call_id)
    query: Any = select(events).where(events.c.call_id == call_id, events.c.type == "call.ended")
    async with board.database.reading() as connection:
        stored = (await connection.execute(query)).one().data
    assert (call.outcome, call.hangup_cause, call.hangup_cause_source) == ("busy", 17, "derived")
    assert (call.sip_status_code, call.sip_status) == (486, "Busy Here")
    assert stored["outcome"] == "busy" and stored["hangup_cause"] == 17
