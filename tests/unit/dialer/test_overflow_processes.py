"""Who looks after a caller without an agent: one process, another one, the reaper, the rescuer."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from dialer.adapters.tables import events
from dialer.calls.claims import Claim
from dialer.calls.rooms import ParticipantKind
from dialer.inbound.second_leg import ANNOUNCER_WAITS
from telephony.events import EventType, OverflowWhy
from telephony.worker_contract import OVERFLOW_IDENTITY
from tests.kit.incoming import OUR_NUMBER
from tests.kit.without_agents import HUMAN, LEG, ROOM, Lobby
from tests.unit.dialer.test_inbound_rooms import ringing_in


async def test_of_two_processes_one_rings(lobby: Lobby) -> None:
    other = lobby.another_process()
    assert await lobby.taken()
    attempt = await lobby.attempt()
    for fence in (1, attempt.fence):
        seen = Claim(attempt.tenant_id, attempt.call_id, attempt.id, fence, ROOM)
        assert not await other.take(seen, OverflowWhy.NO_AGENT)
    assert await lobby.taken(), "the caller's room is somebody's"
    await lobby.answered()
    assert len(lobby.legs.rung) == 1


async def test_what_a_process_began_that_died_is_never_rung_again(lobby: Lobby) -> None:
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    # Its request never reached LiveKit, and nobody of it is left.
    lobby.rooms.leave(ROOM, OVERFLOW_IDENTITY)
    other = lobby.another_process()
    await lobby.look(10, process=other)
    assert lobby.announcer.played == []
    await lobby.look(3, process=other)
    await other.settled()
    assert lobby.announcer.played == [(ROOM, LEG)]
    assert await lobby.ended() == ("failed", "no_agent", "platform")
    assert len(lobby.legs.rung) == 1


async def test_who_waits_for_the_apology_of_one_process_is_not_ended_by_another(
    lobby: Lobby,
) -> None:
    await lobby.own()
    lobby.announcer.free.clear()
    assert await lobby.taken()
    other = lobby.another_process()
    await lobby.look(ANNOUNCER_WAITS.total_seconds() - 1, process=other)
    assert await lobby.ended() is None and lobby.announcer.played == []
    lobby.announcer.free.set()
    await lobby.overflow.settled()
    assert lobby.announcer.played == [(ROOM, LEG)]
    assert await lobby.ended() == ("failed", "no_agent", "platform")


async def test_who_waits_for_an_apology_of_a_process_that_died_is_let_go(lobby: Lobby) -> None:
    await lobby.own()
    lobby.announcer.free.clear()
    assert await lobby.taken()
    await lobby.look(50, process=lobby.another_process())
    assert await lobby.ended() == ("failed", "no_agent", "platform")


@pytest.mark.parametrize("why", list(OverflowWhy), ids=lambda why: why.value)
async def test_the_process_that_goes_on_tells_why_it_was_begun(
    lobby: Lobby, why: OverflowWhy
) -> None:
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    async with lobby.board.database.transaction() as tx:
        overflowed = events.c.type == EventType.CALL_OVERFLOWED.value
        data = {"why": why.value, "trunk": "outbound"}
        await tx.execute(update(events).where(overflowed).values(data=data))
    lobby.rooms.leave(ROOM, OVERFLOW_IDENTITY)
    other = lobby.another_process()
    await lobby.look(13, process=other)
    await other.settled()
    assert await lobby.told(EventType.CALL_APOLOGISED) == [{"why": why.value}]
    ended = await lobby.ended()
    reasons = {"no_agent": "no_agent", "agent_lost": "lost"}
    assert ended is not None and ended[1] == reasons.get(why.value, why.value)


async def test_another_process_sees_the_answer(lobby: Lobby) -> None:
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    lobby.rooms.join(ROOM, OVERFLOW_IDENTITY, ParticipantKind.SIP, sip_status="active")
    other = lobby.another_process()
    await lobby.look(30, process=other)
    assert (await lobby.board.call(await lobby.call_id())).status == "in_progress"
    assert (await lobby.events()).count("call.overflow_answered") == 1


async def test_a_request_whose_answer_is_lost_is_judged_by_the_room(lobby: Lobby) -> None:
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    lobby.legs.lost()
    await lobby.overflow.settled()
    await lobby.look(20)
    assert await lobby.ended() is None and lobby.announcer.played == []
    lobby.rooms.join(ROOM, OVERFLOW_IDENTITY, ParticipantKind.SIP, sip_status="active")
    await lobby.look()
    assert "call.overflow_answered" in await lobby.events()


async def test_a_hang_up_over_the_api_is_carried_out(lobby: Lobby) -> None:
    assert await lobby.taken()
    await lobby.answered()
    await lobby.board.report_hang_up(await lobby.call_id())
    await lobby.look()
    assert await lobby.ended() == ("completed", "api_hangup", "api")


async def test_the_reaper_leaves_such_a_caller_alone(lobby: Lobby) -> None:
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    lobby.rooms.join(ROOM, LEG, ParticipantKind.SIP, sip_status="active")
    await lobby.board.reap(seconds=30)
    assert await lobby.ended() is None
    assert "call.answered" not in await lobby.events(), "a ringing tone is no answer"
    await lobby.answered()
    await lobby.board.reap(seconds=120)
    assert await lobby.ended() is None
    await lobby.board.reap(seconds=3700, every=15)
    assert await lobby.ended() == ("completed", "max_duration", "platform")


async def test_a_caller_whom_nobody_looks_after_is_the_reapers(lobby: Lobby) -> None:
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    await lobby.board.reap(seconds=80)
    assert await lobby.ended() == ("failed", "no_agent", "platform")


@pytest.mark.fault("F11")
async def test_a_caller_whose_agents_are_lost_goes_to_the_overflow_number(
    lobby: Lobby,
) -> None:
    board = lobby.board
    call_id = await ringing_in(board)
    async with board.database.transaction() as tx:
        await tx.exec_driver_sql(f"UPDATE calls SET phone_number = '{OUR_NUMBER}'")
        await tx.exec_driver_sql(
            "UPDATE attempts SET sent_at = NULL, trunk = NULL, announcement = NULL"
        )
    rescuer = board.another_rescuer(lobby.overflow.take)
    for _ in range(30):
        # Another worker is there, and full.
        await board.worker("w2", capacity=1, live_calls=1)
        await rescuer.step()
        await rescuer.settled()
        board.clock.forward(0.5)
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    (wanted,) = lobby.legs.rung
    assert wanted.number == HUMAN
    assert await board.ended(call_id) is None
    room = (await board.attempt(call_id)).room
    assert (room, "agent-w1") in board.rooms.removed
    assert await lobby.told(EventType.CALL_OVERFLOWED) == [
        {"why": "agent_lost", "trunk": "outbound"}
    ]
