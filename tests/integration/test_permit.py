"""The one door to an INVITE, with everybody pushing at once, on both databases."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from dialer.calls import claims
from telephony.call import CallType, WaitingFor
from telephony.errors import Conflict
from telephony.events import EventType
from tests.kit.switchboard import Switchboard
from tests.kit.until import until


@pytest.mark.fault("F15")
@pytest.mark.parametrize("askers", [2, 8, 25])
async def test_of_many_that_ask_at_once_one_may_dial(board: Switchboard, askers: int) -> None:
    call_id = await board.claimed()
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


@pytest.mark.fault("F3")
@pytest.mark.parametrize("kind", [CallType.SIP, CallType.VOIP])
async def test_who_heard_no_answer_asks_again_and_nobody_else_gets_it(
    board: Switchboard, kind: CallType
) -> None:
    call_id = await board.claimed(kind)
    granted = await board.grant(call_id)

    answers = await asyncio.gather(*(board.ask_permit(granted, "a") for _ in range(5)))

    assert answers == [call_id] * 5
    with pytest.raises(Conflict):
        await board.ask_permit(granted, "b")
    assert (await board.events(call_id)).count("call.dialing") == (kind is CallType.SIP)


async def test_who_hears_it_only_after_a_hang_up_dials_nobody(board: Switchboard) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted, "a")
    await board.report_hang_up(call_id)
    with pytest.raises(Conflict):
        await board.ask_permit(granted, "a")


@pytest.mark.fault("F3")
@pytest.mark.parametrize("given", [False, True])
async def test_who_heard_no_answer_and_left_lets_the_call_wait_again(
    board: Switchboard, given: bool
) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    if given:
        await board.ask_permit(granted, "a")

    for _ in range(2):
        await board.withdraw(granted, "a")

    call, attempt = await board.call(call_id), await board.attempt(call_id)
    assert (call.status, call.waiting_for, attempt.state) == ("queued", "worker", "waiting")
    assert attempt.fence == granted.fence + 1
    with pytest.raises(Conflict):  # its own first asking, which comes late
        await board.ask_permit(granted, "a")
    assert (await board.events(call_id)).count("call.requeued") == 1


@pytest.mark.fault("F15")
async def test_who_left_takes_nobody_elses_permit_along(board: Switchboard) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted, "a")

    await board.withdraw(granted, "b")
    assert (await board.attempt(call_id)).state == "sent"

    await board.report(granted, (EventType.CALL_RINGING, {}))
    await board.withdraw(granted, "a")
    assert (await board.call(call_id)).status == "ringing"


@pytest.mark.fault("F15")
async def test_who_left_takes_no_permit_along_whose_asker_is_not_known(board: Switchboard) -> None:
    """A dialer of an earlier version does not write down who asked."""
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted, "a")
    async with board.database.transaction() as tx:
        await tx.execute(text("UPDATE attempts SET permit_asked_by = NULL"))
    await board.withdraw(granted, "b")
    assert (await board.attempt(call_id)).state == "sent"


@pytest.mark.fault("F3")
async def test_a_call_whose_agents_hear_no_answer_for_a_minute_ends_by_name(
    board: Switchboard,
) -> None:
    call_id = await board.claimed()
    for _ in range(6):
        granted = await board.grant(call_id)
        await board.withdraw(granted, "a")
        assert await board.ended(call_id) is None
        board.clock.forward(11)
        await board.worker(capacity=50)
        await board.dispatch()
    await board.withdraw(await board.grant(call_id), "a")
    assert await board.ended(call_id) == ("failed", "no_agent", "platform")


async def test_who_left_a_call_that_was_hung_up_meanwhile_ends_it(board: Switchboard) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.ask_permit(granted, "a")
    await board.report_hang_up(call_id)
    await board.withdraw(granted, "a")
    assert await board.ended(call_id) == ("canceled", "api_hangup", "api")


async def test_of_many_agents_in_a_browsers_room_one_may_own_it(board: Switchboard) -> None:
    call_id = await board.claimed(CallType.VOIP)
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
    call_id = await board.claimed(CallType.VOIP)
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
    call_id = await board.claimed()
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
    call_id = await board.claimed()
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
    wide_board: Switchboard,
) -> None:
    for _ in range(10):
        call_id = await wide_board.claimed()
        early = await wide_board.grant(call_id)
        wide_board.clock.forward(3.1)
        await wide_board.worker(capacity=50)
        answers = await asyncio.gather(
            wide_board.ask_permit(early),
            wide_board.dispatcher.step(),
            wide_board.another_dispatcher("d2").step(),
            return_exceptions=True,
        )
        first = answers[0] == call_id
        await wide_board.dispatcher.settled()
        late = await asyncio.gather(
            wide_board.ask_permit(await wide_board.grant(call_id)), return_exceptions=True
        )
        assert [first, late[0] == call_id].count(True) == 1
        assert (await wide_board.events(call_id)).count("call.dialing") == 1


async def test_the_permit_is_refused_once_a_hang_up_was_asked_for(board: Switchboard) -> None:
    call_id = await board.claimed()
    granted = await board.grant(call_id)
    await board.report_hang_up(call_id)
    with pytest.raises(Conflict):
        await board.ask_permit(granted)
    assert "call.dialing" not in await board.events(call_id)


async def test_the_permit_is_refused_once_the_call_is_over(board: Switchboard) -> None:
    call_id = await board.claimed()
    granted = await board.agent_joins(call_id)
    ended = {"ended_reason": "agent_error", "ended_by": "platform"}
    await board.report(granted, (EventType.CALL_ENDED, ended))
    with pytest.raises(Conflict):
        await board.ask_permit(granted)


async def test_a_workers_word_that_it_dials_is_no_permit(board: Switchboard) -> None:
    call_id = await board.claimed()
    granted = await board.agent_joins(call_id)
    await board.report(granted, (EventType.CALL_DIALING, {}))
    assert (await board.call(call_id)).status == "dispatching"
    await board.ask_permit(granted)
    assert (await board.call(call_id)).status == "dialing"


async def test_dispatchers_of_several_processes_claim_each_call_once(
    wide_board: Switchboard,
) -> None:
    await wide_board.worker(capacity=50)
    placed = [await wide_board.place() for _ in range(12)]
    others = [wide_board.another_dispatcher(f"d{n}") for n in range(4)]
    for _ in range(3):
        await asyncio.gather(*(dispatcher.step() for dispatcher in others))
    await asyncio.gather(*(dispatcher.settled() for dispatcher in others))

    for call_id in placed:
        assert (await wide_board.attempt(call_id)).fence == 1
        assert (await wide_board.events(call_id)).count("call.dispatching") == 1
    assert len(wide_board.rooms.created) == 12
