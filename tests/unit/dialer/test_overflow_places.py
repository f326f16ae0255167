"""At most so many callers of one of our numbers are at its overflow number."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from dialer.adapters.tables import calls
from telephony.events import EventType
from telephony.worker_contract import OVERFLOW_IDENTITY
from tests.kit.trunks import trunk
from tests.kit.until import until
from tests.kit.without_agents import BUSY, LEG, ROOM, Lobby


async def _to_a_crowd(lobby: Lobby) -> None:
    """Let one caller be at the overflow number, and no second one be let there."""
    lobby.settings = lobby.settings.model_copy(update={"overflow_calls_per_number": 1})
    lobby.overflow = lobby.another_process()
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)


@pytest.mark.parametrize("ready", [True, False], ids=["apology", "busy"])
async def test_beyond_the_limit_of_a_number_nobody_is_rung(lobby: Lobby, ready: bool) -> None:
    lobby.announcer.ready = ready
    await _to_a_crowd(lobby)
    assert await lobby.taken("tel-in_0151_y")
    await until(lambda: "tel-in_0151_y" in lobby.rooms.deleted, what="the second call is over")

    assert lobby.announcer.played == [("tel-in_0151_y", LEG)] * ready
    assert len(lobby.legs.rung) == 1
    (warned,) = await lobby.told(EventType.CALL_WARNING)
    assert warned["code"] == "overflow_full"
    assert await _ends(lobby) == [("failed", "no_agent")]


async def test_a_crowd_takes_nothing_of_the_trunks_pace(lobby: Lobby) -> None:
    await _to_a_crowd(lobby)
    lobby.board.trunk.trunks = [trunk(cps=0.001)]  # whose only turn was the first caller's
    assert await lobby.taken("tel-in_0151_y")
    assert len(lobby.legs.rung) == 1
    (warned,) = await lobby.told(EventType.CALL_WARNING)
    assert warned["code"] == "overflow_full", "it was not the pace that refused"


@pytest.mark.parametrize("how", ["missed", "hung up", "process died"])
async def test_a_place_at_the_overflow_number_comes_back(lobby: Lobby, how: str) -> None:
    await _to_a_crowd(lobby)
    if how == "missed":
        await lobby.missed(BUSY)
    elif how == "hung up":
        await lobby.answered()
        lobby.rooms.leave(ROOM, LEG)
        await lobby.look(12)
    else:
        lobby.rooms.leave(ROOM, OVERFLOW_IDENTITY)
        other = lobby.another_process()
        await lobby.look(13, process=other)
        await other.settled()
    assert await lobby.taken("tel-in_0151_y")
    await until(lambda: len(lobby.legs.rung) == 2, what="the next caller is sent on")


async def test_another_number_has_places_of_its_own(lobby: Lobby) -> None:
    await _to_a_crowd(lobby)
    async with lobby.board.database.transaction() as tx:
        await tx.exec_driver_sql("UPDATE calls SET phone_number = '+14155550191'")
    assert await lobby.taken("tel-in_0151_y")
    await until(lambda: len(lobby.legs.rung) == 2, what="the caller of this one is sent on")


async def _ends(lobby: Lobby) -> list[tuple[str, str]]:
    query = select(calls.c.outcome, calls.c.ended_reason).where(calls.c.ended_at.is_not(None))
    async with lobby.board.database.reading() as connection:
        return [(outcome, reason) for outcome, reason in await connection.execute(query)]
