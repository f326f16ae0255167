"""Conversations that lose their agent, on both databases: who gets them, and who is too late."""

from __future__ import annotations

import asyncio

import pytest

from dialer.adapters.tables import calls
from dialer.calls import takeover
from dialer.calls.rooms import ParticipantKind
from dialer.ingest.worker_events import is_current
from dialer.tenants.tokens import AttemptGrant
from telephony.call import CallType
from telephony.events import EventType
from telephony.worker_contract import BROWSER_IDENTITY
from tests.integration.test_worker_events import claimed
from tests.kit.api import Api
from tests.kit.switchboard import Switchboard

ENDED = (EventType.CALL_ENDED, {"ended_reason": "agent_error", "ended_by": "platform"})
TURN = (EventType.CALL_TURN, {"speaker": "agent", "text": "Hello."})


async def _stuck(board: Switchboard, granted: AttemptGrant) -> None:
    """Let the call's worker give it up, with two more that could take it."""
    await board.worker("w1", stuck=[granted.attempt_id], draining=True, holds=[])
    await board.worker("w2")
    await board.worker("w3")


async def _rescued(board: Switchboard) -> tuple[str, AttemptGrant, AttemptGrant]:
    """Give a call, its lost agent and its new one."""
    call_id, lost = await board.talking()
    await _stuck(board, lost)
    await board.rescuer.step()
    assert await board.takes_over(call_id, "w2")
    found = await board.agent_joins(call_id, "w2")
    await board.report(
        found, (EventType.CALL_AGENT_RESCUED, {"worker_id": "w2", "rescue": 1}), TURN
    )
    return call_id, lost, found


@pytest.mark.fault("F11", "F15")
@pytest.mark.parametrize("askers", [2, 8])
async def test_of_many_that_are_asked_one_takes_it_over(board: Switchboard, askers: int) -> None:
    call_id, granted = await board.talking()
    await _stuck(board, granted)
    await board.rescuer.step()
    asked = [board.takes_over(call_id, f"w{number}") for number in range(2, 2 + askers)]
    assert sorted(await asyncio.gather(*asked)) == [False] * (askers - 1) + [True]


@pytest.mark.fault("F11")
async def test_two_dialers_that_see_it_at_once_rescue_it_once(board: Switchboard) -> None:
    call_id, granted = await board.talking()
    await _stuck(board, granted)
    await asyncio.gather(board.rescuer.step(), board.another_rescuer().step())
    assert (await board.events(call_id)).count("call.agent_lost") == 1
    assert (await board.attempt(call_id)).fence == granted.fence + 1


@pytest.mark.fault("F12")
async def test_the_record_of_a_stuck_call_says_so_and_goes_on(board: Switchboard) -> None:
    call_id, _, found = await _rescued(board)
    told = await board.events(call_id)
    assert told.index("call.agent_lost") < told.index("call.agent_rescued")
    hung_up = (EventType.CALL_ENDED, {"ended_reason": "callee_hangup", "ended_by": "callee"})
    await board.report(found, hung_up)
    assert await board.ended(call_id) == ("completed", "callee_hangup", "callee")


@pytest.mark.fault("F11", "F15")
async def test_an_agent_that_comes_back_to_life_ends_nothing(board: Switchboard) -> None:
    call_id, lost, found = await _rescued(board)
    before = await board.events(call_id)

    stored = await board.report(lost, (EventType.CALL_AGENT_READY, {}), TURN, ENDED)

    assert stored.superseded
    # Its words were heard by the callee; nothing else of it counts.
    assert await board.events(call_id) == [*before, "call.turn"]
    assert await board.ended(call_id) is None
    async with board.database.reading() as connection:
        assert not await is_current(connection, lost)
        assert await is_current(connection, found)
    async with board.database.transaction() as tx:
        assert not await takeover.take(tx, lost, "w1")
    assert (await board.attempt(call_id)).worker_id == "w2"


@pytest.mark.fault("F11")
async def test_a_new_agent_that_can_only_say_sorry_ends_the_call_by_name(
    board: Switchboard,
) -> None:
    call_id, lost = await board.talking()
    await _stuck(board, lost)
    await board.rescuer.step()
    assert await board.takes_over(call_id, "w2")
    found = await board.agent_joins(call_id, "w2")
    await board.report(found, ENDED)
    assert await board.ended(call_id) == ("failed", "agent_error", "platform")
    assert "call.agent_rescued" not in await board.events(call_id)


@pytest.mark.fault("F11")
async def test_a_browsers_conversation_is_rescued_as_a_phones(board: Switchboard) -> None:
    call_id, granted = await _browsers(board)
    await _stuck(board, granted)
    await board.rescuer.step()

    request = await board.request(call_id)
    assert request.call_type is CallType.VOIP
    assert request.rescue is not None and request.rescue.number == 1
    room = (await board.attempt(call_id)).room
    assert board.rooms.removed == [(room, "agent-w1")], "the browser stays"
    assert await board.takes_over(call_id, "w2")
    found = await board.agent_joins(call_id, "w2")
    await board.report(found, (EventType.CALL_AGENT_RESCUED, {"worker_id": "w2", "rescue": 1}))
    await board.report(granted, ENDED)
    assert (await board.call(call_id)).status == "in_progress"


@pytest.mark.fault("F11")
async def test_a_browser_that_is_gone_is_not_rescued(board: Switchboard) -> None:
    call_id, granted = await _browsers(board)
    board.rooms.leave((await board.attempt(call_id)).room, BROWSER_IDENTITY)
    await _stuck(board, granted)
    await board.rescuer.step()
    assert "call.agent_lost" not in await board.events(call_id)


async def _browsers(board: Switchboard) -> tuple[str, AttemptGrant]:
    """Bring a browser's call as far as its first words."""
    call_id = await board.dispatched()
    async with board.database.transaction() as tx:
        voip = calls.update().where(calls.c.id == call_id)
        await tx.execute(voip.values(call_type=CallType.VOIP.value, phone_number=None))
    granted = await board.agent_joins(call_id)
    await board.ask_permit(granted)
    room = (await board.attempt(call_id)).room
    board.rooms.join(room, BROWSER_IDENTITY, ParticipantKind.BROWSER)
    await board.report(granted, (EventType.CALL_ANSWERED, {}))
    return call_id, granted


class TestTheRoute:
    """The route by which a worker asks to take a conversation over."""

    async def test_a_call_that_was_not_answered_is_nobodys_to_take(self, api: Api) -> None:
        _, worker = await claimed(api)
        path = f"/internal/attempts/{worker.attempt_id}/takeover"
        answer = await worker.http.post(path, json={"worker_id": "w2"})
        assert (answer.status_code, answer.json()) == (200, {"current": False})

    @pytest.mark.parametrize("body", [{}, {"worker_id": ""}, {"worker_id": "w", "more": 1}, []])
    async def test_what_is_not_of_the_contract_is_refused(self, api: Api, body: object) -> None:
        _, worker = await claimed(api)
        path = f"/internal/attempts/{worker.attempt_id}/takeover"
        assert (await worker.http.post(path, json=body)).status_code == 422

    async def test_another_attempts_token_opens_nothing(self, api: Api) -> None:
        _, worker = await claimed(api)
        _, other = await claimed(api)
        path = f"/internal/attempts/{worker.attempt_id}/takeover"
        answer = await other.http.post(path, json={"worker_id": "w2"})
        assert answer.status_code == 401
