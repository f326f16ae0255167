"""The one door to an INVITE, with everybody pushing at once, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from dialer.adapters.tables import calls
from dialer.calls import claims
from dialer.tenants.tokens import AttemptGrant
from telephony.call import CallType, WaitingFor
from telephony.errors import Conflict
from telephony.events import EventType
from telephony.worker_contract import ReturnReason
from tests.kit.switchboard import Switchboard, switchboard
from tests.kit.until import until


@pytest_asyncio.fixture
async def board(database_url: str) -> AsyncGenerator[Switchboard]:
    """Give a switchboard over each database."""
    async with switchboard(database_url, joining_at_once=50) as made:
        yield made


async def _claimed(board: Switchboard, call_type: CallType = CallType.SIP) -> str:
    await board.worker(capacity=50)
    call_id = await board.place()
    await board.dispatch()
    async with board.database.transaction() as tx:
        browsers = calls.update().where(calls.c.id == call_id)
        await tx.execute(browsers.values(call_type=call_type.value))
    return call_id


@pytest.mark.fault("F15")
@pytest.mark.parametrize("askers", [2, 8, 25])
async def test_of_many_that_ask_at_once_one_may_dial(board: Switchboard, askers: int) -> None:
    call_id = await _claimed(board)
    granted = await board.grant(call_id)

    answers = await asyncio.gather(
        *(board.ask_permit(granted) for _ in range(askers)), return_exceptions=True
    )

    refusals = [answer for answer in answers if isinstance(answer, Conflict)]
    assert answers.count(call_id) == 1
    assert len(refusals) == askers - 1
    assert {refusal.code for refusal in refusals} == {"permit_refused"}
    assert (await board.events(call_id)).count("call.dialing") == 1
    assert (await board.attempt(call_id)).state == "sent"


async def test_of_many_agents_in_a_browsers_room_one_may_own_it(board: Switchboard) -> None:
    call_id = await _claimed(board, CallType.VOIP)
    granted = await board.grant(call_id)

    answers = await asyncio.gather(
        *(board.ask_permit(granted) for _ in range(8)), return_exceptions=True
    )

    assert answers.count(call_id) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == 7
    call, attempt = await board.call(call_id), await board.attempt(call_id)
    assert (call.status, attempt.state) == ("dispatching", "claimed")
    assert attempt.sent_at is not None and call.dialing_at is None
    assert "call.dialing" not in await board.events(call_id)


async def test_a_browsers_call_with_its_permit_given_is_not_dispatched_again(
    board: Switchboard,
) -> None:
    call_id = await _claimed(board, CallType.VOIP)
    granted = await board.grant(call_id)
    await board.ask_permit(granted)
    for _ in range(3):
        board.clock.forward(5)
        await board.worker(capacity=50)
        await board.dispatch()
    assert (await board.attempt(call_id)).fence == granted.fence
    assert board.rooms.redispatched == []

    await board.report(granted, (EventType.CALL_ANSWERED, {}))
    assert (await board.call(call_id)).status == "in_progress"
    with pytest.raises(Conflict):
        await board.ask_permit(granted)


async def test_the_permit_is_refused_to_an_agent_of_an_earlier_dispatch(
    board: Switchboard,
) -> None:
    call_id = await _claimed(board)
    early = await board.grant(call_id)
    board.clock.forward(3.1)
    await board.worker()
    await board.dispatch()
    with pytest.raises(Conflict):
        await board.ask_permit(early)
    await board.ask_permit(await board.grant(call_id))


async def test_an_agent_whose_dispatch_is_superseded_while_it_reports_moves_nothing(
    board: Switchboard,
) -> None:
    call_id = await _claimed(board)
    early, seen = await board.grant(call_id), await board.attempt(call_id)
    claim = claims.Claim(seen.tenant_id, call_id, seen.id, seen.fence, seen.room)
    joined = (EventType.CALL_AGENT_JOINED, {"worker_id": "w1"})
    async with board.database.transaction() as tx:
        await claims.put_back(tx, claim, waiting_for=WaitingFor.WORKER, now=board.clock())
        reporting = asyncio.create_task(board.report(early, joined))
        await _until_it_waits(board)
    stored = await reporting

    assert not stored.moved
    assert "call.agent_joined" not in await board.events(call_id)


async def _until_it_waits(board: Switchboard) -> None:
    if board.database.is_sqlite:
        await asyncio.sleep(0)  # it waits for the one writer
        return

    async def waits() -> bool:
        async with board.database.reading() as connection:
            query = text(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool((await connection.execute(query)).scalar_one())

    await until(waits)


async def test_permits_and_dispatches_again_that_race_never_let_two_agents_dial(
    board: Switchboard,
) -> None:
    for _ in range(10):
        call_id = await _claimed(board)
        early = await board.grant(call_id)
        board.clock.forward(3.1)
        await board.worker(capacity=50)
        answers = await asyncio.gather(
            board.ask_permit(early),
            board.dispatcher.step(),
            board.another_dispatcher("d2").step(),
            return_exceptions=True,
        )
        first = answers[0] == call_id
        await board.dispatcher.settled()
        late = await asyncio.gather(
            board.ask_permit(await board.grant(call_id)), return_exceptions=True
        )
        assert [first, late[0] == call_id].count(True) == 1
        assert (await board.events(call_id)).count("call.dialing") == 1


async def test_the_permit_is_refused_once_a_hang_up_was_asked_for(board: Switchboard) -> None:
    call_id = await _claimed(board)
    granted = await board.grant(call_id)
    await board.report_hang_up(call_id)
    with pytest.raises(Conflict):
        await board.ask_permit(granted)
    assert "call.dialing" not in await board.events(call_id)


async def test_the_permit_is_refused_once_the_call_is_over(board: Switchboard) -> None:
    call_id = await _claimed(board)
    granted = await board.agent_joins(call_id)
    ended = {"ended_reason": "agent_error", "ended_by": "platform"}
    await board.report(granted, (EventType.CALL_ENDED, ended))
    with pytest.raises(Conflict):
        await board.ask_permit(granted)


async def test_a_workers_word_that_it_dials_is_no_permit(board: Switchboard) -> None:
    call_id = await _claimed(board)
    granted = await board.agent_joins(call_id)
    await board.report(granted, (EventType.CALL_DIALING, {}))
    assert (await board.call(call_id)).status == "dispatching"
    await board.ask_permit(granted)
    assert (await board.call(call_id)).status == "dialing"


async def test_dispatchers_of_several_processes_claim_each_call_once(board: Switchboard) -> None:
    await board.worker(capacity=50)
    placed = [await board.place() for _ in range(12)]
    others = [board.another_dispatcher(f"d{n}") for n in range(4)]
    for _ in range(3):
        await asyncio.gather(*(dispatcher.step() for dispatcher in others))
    await asyncio.gather(*(dispatcher.settled() for dispatcher in others))

    for call_id in placed:
        assert (await board.attempt(call_id)).fence == 1
        assert (await board.events(call_id)).count("call.dispatching") == 1
    assert len(board.rooms.created) == 12


async def _returned(board: Switchboard) -> tuple[str, AttemptGrant]:
    call_id = await _claimed(board)
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


async def test_only_a_permit_that_was_given_and_not_used_comes_back(board: Switchboard) -> None:
    call_id = await _claimed(board)
    granted = await board.grant(call_id)
    with pytest.raises(Conflict):
        await board.return_permit(granted)
    await board.ask_permit(granted)
    await board.report(granted, (EventType.CALL_RINGING, {}))
    with pytest.raises(Conflict):
        await board.return_permit(granted)
    assert (await board.call(call_id)).status == "ringing"


@pytest.mark.fault("F5", "F6")
async def test_a_call_that_was_hung_up_meanwhile_is_not_tried_again(board: Switchboard) -> None:
    call_id = await _claimed(board)
    granted = await board.grant(call_id)
    await board.ask_permit(granted)
    await board.report_hang_up(call_id)
    await board.return_permit(granted)
    assert await board.ended(call_id) == ("canceled", "api_hangup", "api")


@pytest.mark.fault("F5", "F6")
async def test_a_call_that_meets_no_bridge_for_a_minute_ends_by_name(board: Switchboard) -> None:
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
async def test_returns_and_a_hang_up_that_race_end_or_queue_the_call(board: Switchboard) -> None:
    call_id = await _claimed(board)
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
    call_id = await _claimed(board)
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
    call_id = await _claimed(board)
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
    call_id = await _claimed(board)
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
    call_id = await _claimed(board)
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
