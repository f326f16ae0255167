"""Callers who overflow in the same moment, in two processes: no more than may are sent on."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from sqlalchemy import select, update

from dialer.adapters.tables import attempts, events
from dialer.inbound.second_leg import NotReached
from telephony.call import EndedReason
from telephony.events import EventType
from tests.kit.switchboard import Switchboard
from tests.kit.until import until
from tests.kit.without_agents import HUMAN, Lobby

pytestmark = pytest.mark.asyncio

MOST, CALLERS = 2, 8


async def _told(lobby: Lobby) -> Counter[str]:
    async with lobby.board.database.reading() as connection:
        return Counter((await connection.execute(select(events.c.type))).scalars())


async def test_two_processes_send_no_more_callers_on_than_may(board: Switchboard) -> None:
    lobby = Lobby(board, overflow_calls_per_number=MOST)
    placed = await board.place()  # makes the tenant
    async with board.database.transaction() as tx:
        done = update(attempts).where(attempts.c.call_id == placed).values(state="ended")
        await tx.execute(done)
    await lobby.own(overflow_number=HUMAN)
    processes = [lobby.overflow, lobby.another_process()]
    rooms = [f"tel-in_01{n:02}_x" for n in range(CALLERS)]
    assert all(
        await asyncio.gather(
            *(lobby.taken(room, process=processes[n % 2]) for n, room in enumerate(rooms))
        )
    )
    await until(lambda: len(lobby.announcer.played) == CALLERS - MOST, what="the rest is told")
    found = await _told(lobby)
    assert found["call.overflowed"] == len(lobby.legs.rung) == MOST
    assert found[EventType.CALL_WARNING.value] == CALLERS - MOST

    lobby.legs.verdict.set_result(NotReached(EndedReason.BUSY, 486))
    await asyncio.gather(*(process.settled() for process in processes))
    assert await lobby.taken("tel-in_0199_x")
    await until(lambda: len(lobby.legs.rung) == MOST + 1, what="a place that is free is given")
    await lobby.overflow.settled()
