"""A caller for whom no agent comes: the overflow number, else an apology, and an honest record."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from dialer.adapters.tables import events, trunk_uses
from dialer.calls.record import Fact, record
from dialer.inbound.second_leg import NotReached
from telephony.call import EndedReason
from telephony.events import EventType, Source
from telephony.worker_contract import OVERFLOW_IDENTITY
from tests.kit.incoming import CALLER, OUR_NUMBER
from tests.kit.trunks import trunk
from tests.kit.without_agents import BUSY, HUMAN, LEG, ROOM, Lobby

NEVER: dict[str, Any] = {"time_zone": "UTC", "weekly": {}}


@pytest.mark.fault("F13", "F14")
async def test_a_caller_without_an_agent_is_bridged_to_the_overflow_number(lobby: Lobby) -> None:
    assert await lobby.taken()
    await lobby.answered()

    (wanted,) = lobby.legs.rung
    attempt = await lobby.attempt()
    assert (wanted.room, wanted.number, wanted.attempt_id) == (ROOM, HUMAN, attempt.id)
    assert wanted.trunk_id == "ST_test" and wanted.shows == "+14155550199"
    call = await lobby.board.call(await lobby.call_id())
    assert (call.direction, call.status) == ("inbound", "in_progress")
    assert (call.phone_number, call.caller_id) == (OUR_NUMBER, CALLER)
    assert await lobby.events() == [
        "call.received",
        "call.overflowed",
        "call.overflow_answered",
        "call.answered",
    ]
    sent_on = {"why": "no_agent", "trunk": "outbound"}
    assert await lobby.told(EventType.CALL_OVERFLOWED) == [sent_on]
    assert attempt.trunk == "outbound", "it holds a slot of the trunk"


async def test_our_own_number_is_shown_where_the_trunk_may_show_it(lobby: Lobby) -> None:
    lobby.board.trunk.trunks = [trunk(numbers=("+14155550199", OUR_NUMBER))]
    assert await lobby.taken()
    await lobby.answered()
    assert lobby.legs.rung[0].shows == OUR_NUMBER


async def test_a_caller_who_hangs_up_ends_the_call(lobby: Lobby) -> None:
    assert await lobby.taken()
    await lobby.answered()
    lobby.rooms.leave(ROOM, LEG)
    await lobby.look(5)
    assert await lobby.ended() is None, "a bridge that connects anew is back within ten seconds"
    await lobby.look(7)
    assert await lobby.ended() == ("completed", "caller_hangup", "caller")
    assert ROOM in lobby.rooms.deleted


async def test_a_hang_up_that_livekit_tells_of_ends_it_at_once(lobby: Lobby) -> None:
    assert await lobby.taken()
    await lobby.answered()
    lobby.rooms.leave(ROOM, OVERFLOW_IDENTITY)
    await _left(lobby, OVERFLOW_IDENTITY, "client_initiated")
    await lobby.look()
    assert await lobby.ended() == ("completed", "callee_hangup", "callee")


@pytest.mark.parametrize(
    ("who", "how"),
    [
        (LEG, ("completed", "caller_hangup", "caller")),
        (OVERFLOW_IDENTITY, ("completed", "callee_hangup", "callee")),
    ],
)
async def test_a_hang_up_that_livekit_missed_is_found_by_asking_the_bridge(
    lobby: Lobby, who: str, how: tuple[str, str, str]
) -> None:
    assert await lobby.taken()
    await lobby.answered()
    lobby.rooms.let_go = {(ROOM, who)}
    await lobby.look()
    lobby.rooms.let_go = set()
    await lobby.look(4)
    lobby.rooms.let_go = {(ROOM, who)}
    await lobby.look()
    await lobby.look(2)
    assert await lobby.ended() is None, "a bridge that connects anew lets go for a moment"
    await lobby.look(2)
    assert await lobby.ended() == how
    assert ROOM in lobby.rooms.deleted


async def test_a_room_that_closes_once_all_have_left_it_was_left_by_the_caller(
    lobby: Lobby,
) -> None:
    assert await lobby.taken()
    await lobby.answered()
    lobby.rooms.leave(ROOM, LEG)
    lobby.rooms.leave(ROOM, OVERFLOW_IDENTITY)
    await lobby.look()
    lobby.rooms.rooms.pop(ROOM)
    await lobby.look(9)
    assert await lobby.ended() == ("completed", "caller_hangup", "caller")


async def _left(lobby: Lobby, identity: str, reason: str) -> None:
    attempt, now = await lobby.attempt(), lobby.board.clock()
    data = {"identity": identity, "kind": "sip", "disconnect_reason": reason}
    left = Fact(
        attempt.tenant_id,
        attempt.call_id,
        attempt.id,
        EventType.ROOM_PARTICIPANT_LEFT,
        Source.LIVEKIT,
        f"EV_{identity}",
        now,
        data,
    )
    async with lobby.board.database.transaction() as tx:
        await record(tx, left, now=now)


async def test_a_caller_who_gives_up_while_the_other_phone_rings_has_canceled(
    lobby: Lobby,
) -> None:
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    lobby.rooms.leave(ROOM, LEG)
    await _left(lobby, LEG, "client_initiated")
    await lobby.look()
    assert await lobby.ended() == ("canceled", "caller_hangup", "caller")
    assert ROOM in lobby.rooms.deleted, "the other phone stops ringing"


async def test_where_nobody_takes_it_there_is_an_apology(lobby: Lobby) -> None:
    assert await lobby.taken()
    await lobby.missed(BUSY)

    assert lobby.announcer.played == [(ROOM, LEG)]
    assert await lobby.ended() == ("failed", "no_agent", "platform")
    assert await lobby.events() == [
        "call.received",
        "call.overflowed",
        "call.warning",
        "call.apologised",
        "call.answered",
        "call.ended",
    ]
    (warned,) = await lobby.told(EventType.CALL_WARNING)
    assert warned["code"] == "overflow_failed" and "486" in warned["message"]
    assert len(lobby.legs.rung) == 1
    assert (await lobby.attempt()).trunk is None, "its slot is free"


async def test_a_trunk_that_failed_is_blamed_for_it_once(lobby: Lobby) -> None:
    assert await lobby.taken()
    await lobby.missed(NotReached(EndedReason.CARRIER_UNAVAILABLE, 503))
    async with lobby.board.database.reading() as connection:
        (use,) = (await connection.execute(select(trunk_uses))).all()
    assert (use.trunk, use.reason, use.failed) == ("outbound", "carrier_unavailable", True)


async def test_without_an_overflow_number_there_is_an_apology(lobby: Lobby) -> None:
    await lobby.own()
    assert await lobby.taken()
    await lobby.overflow.settled()
    assert lobby.legs.rung == [] and lobby.announcer.played == [(ROOM, LEG)]
    assert await lobby.ended() == ("failed", "no_agent", "platform")
    assert ROOM in lobby.rooms.deleted


async def test_without_anything_to_hear_the_caller_is_refused_and_the_record_says_so(
    lobby: Lobby,
) -> None:
    await lobby.own()
    lobby.announcer.ready = False
    assert not await lobby.taken()
    assert await lobby.ended() == ("failed", "no_agent", "platform")


async def test_a_number_that_nobody_owns_leaves_nothing(lobby: Lobby) -> None:
    async with lobby.board.database.transaction() as tx:
        await tx.exec_driver_sql("DELETE FROM inbound_numbers")
    assert not await lobby.taken()
    async with lobby.board.database.reading() as connection:
        assert (await connection.execute(select(events))).all() == []


async def test_a_blocked_caller_is_not_sent_on(lobby: Lobby) -> None:
    await lobby.own(overflow_number=HUMAN, blocked_callers=("+1415*",))
    assert not await lobby.taken()
    assert await lobby.ended() == ("declined", "blocked", "platform")
    assert lobby.legs.rung == [] and lobby.announcer.played == []


async def test_outside_hours_that_have_words_nobody_is_rung(lobby: Lobby) -> None:
    await lobby.own(overflow_number=HUMAN, hours=NEVER, closed_message="We are away.")
    assert await lobby.taken()
    await lobby.overflow.settled()
    assert lobby.legs.rung == []
    assert await lobby.ended() == ("completed", "closed", "platform")


async def test_outside_hours_without_words_the_overflow_number_is_rung(lobby: Lobby) -> None:
    await lobby.own(overflow_number=HUMAN, hours=NEVER)
    assert await lobby.taken()
    await lobby.answered()
    assert await lobby.told(EventType.CALL_OVERFLOWED) == [{"why": "closed", "trunk": "outbound"}]


async def test_a_trunk_that_is_full_carries_no_overflow(lobby: Lobby) -> None:
    lobby.board.trunk.trunks = [trunk(concurrency=1)]
    await lobby.board.talking()
    async with lobby.board.database.transaction() as tx:
        await tx.exec_driver_sql("UPDATE attempts SET trunk = 'outbound'")
    assert await lobby.taken()
    await lobby.overflow.settled()
    assert lobby.legs.rung == [] and lobby.announcer.played == [(ROOM, LEG)]


@pytest.mark.parametrize("number", ["+442079460123", "+14155550199"], ids=["country", "itself"])
async def test_a_number_that_may_not_be_called_is_not_rung(lobby: Lobby, number: str) -> None:
    await lobby.own(overflow_number=number)
    assert await lobby.taken()
    await lobby.overflow.settled()
    assert lobby.legs.rung == [] and lobby.announcer.played == [(ROOM, LEG)]


@pytest.mark.parametrize("gone", ["trunk", "livekit"])
async def test_without_a_trunk_there_is_the_apology(lobby: Lobby, gone: str) -> None:
    lobby.board.trunk.id = None if gone == "trunk" else "ST_test"
    lobby.board.trunk.down = gone == "livekit"
    assert await lobby.taken()
    await lobby.overflow.settled()
    assert lobby.legs.rung == [] and lobby.announcer.played == [(ROOM, LEG)]
