"""What a caller who is sent on tells about the trunk to the overflow number, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import select, update

from dialer.adapters.tables import attempts, trunk_uses
from dialer.calls.claims import Claim
from dialer.inbound import keeping
from dialer.routing import health, slots
from dialer.routing.health import MOST_FAILURES, Health
from dialer.routing.watch import Watch
from telephony.call import EndedReason
from telephony.worker_contract import ReturnReason
from tests.kit.switchboard import Switchboard
from tests.kit.without_agents import BUSY, HUMAN, Lobby

pytestmark = pytest.mark.asyncio

OUTBOUND = "outbound"


@pytest_asyncio.fixture
async def lobby(board: Switchboard) -> AsyncGenerator[Lobby]:
    """Give a lobby, of whose number a caller is sent on and the other phone rings."""
    made = Lobby(board)
    placed = await board.place()  # makes the tenant
    async with board.database.transaction() as tx:
        done = update(attempts).where(attempts.c.call_id == placed).values(state="ended")
        await tx.execute(done)
    await made.own(overflow_number=HUMAN)
    yield made
    if not made.legs.verdict.done():
        made.legs.verdict.set_result(BUSY)
    await made.overflow.settled()


async def sent_on(lobby: Lobby) -> Claim:
    """Let a caller be sent on, and the other phone ring."""
    assert await lobby.taken()
    await asyncio.wait_for(lobby.legs.rang.wait(), 10)
    async with lobby.board.database.reading() as connection:
        (seen,) = await keeping.kept(connection)
    return Claim.of(seen)


async def failed(lobby: Lobby) -> None:
    """Let the trunk refuse as many calls as open its breaker."""
    async with lobby.board.database.transaction() as tx:
        for number in range(MOST_FAILURES):
            at = lobby.board.clock.forward(0.1)
            refused = ReturnReason.TRUNK_UNAVAILABLE
            await health.note_refusal(tx, f"at_{number}", 1, OUTBOUND, refused, at)
    lobby.board.clock.forward(0.1)


async def measured(lobby: Lobby) -> Health:
    """Measure the trunk."""
    async with lobby.board.database.reading() as connection:
        return (await health.measure(connection, now=lobby.board.clock()))[OUTBOUND]


async def ends(lobby: Lobby, mine: Claim) -> list[tuple[bool, float]]:
    """Let the caller hang up; gives what is told of the trunk: answered or not, and how long."""
    async with lobby.board.database.transaction() as tx:
        over = EndedReason.CALLER_HANGUP
        assert await keeping.end(tx, mine, over, "hung up", now=lobby.board.clock())
        used = await tx.execute(select(trunk_uses.c.answered, trunk_uses.c.talked))
        return [(bool(answered), talked) for answered, talked in used]


async def test_only_whoever_takes_the_call_there_tells_that_the_trunk_works(lobby: Lobby) -> None:
    await failed(lobby)
    mine = await sent_on(lobby)
    assert (await measured(lobby)).failures_in_a_row == MOST_FAILURES, "the caller's own ringing"
    await lobby.answered()
    assert (await measured(lobby)).failures_in_a_row == 0
    await ends(lobby, mine)
    assert (await measured(lobby)).failures_in_a_row == 0


async def test_a_caller_on_the_way_there_is_the_one_call_that_tries_the_trunk(
    lobby: Lobby,
) -> None:
    await failed(lobby)
    lobby.board.clock.forward(timedelta(minutes=1).total_seconds())
    assert await _breaker(lobby) == "half_open"
    await sent_on(lobby)
    assert await _breaker(lobby) == "open"
    await lobby.answered()
    async with lobby.board.database.reading() as connection:
        assert await slots.carried(connection) == ({OUTBOUND: 1}, {})


async def _breaker(lobby: Lobby) -> str:
    async with lobby.board.database.reading() as connection:
        watch = Watch(now=lobby.board.clock)
        return (await watch.standing(connection, [OUTBOUND]))[OUTBOUND].breaker.value


async def test_what_an_agent_said_before_is_no_talk_by_the_trunk(lobby: Lobby) -> None:
    mine = await sent_on(lobby)
    async with lobby.board.database.transaction() as tx:
        await keeping.hears(tx, mine, now=lobby.board.clock())
    lobby.board.clock.forward(90)
    assert await ends(lobby, mine) == [], "nobody took it at the overflow number"


async def test_the_talk_by_the_trunk_begins_where_it_is_taken_there(lobby: Lobby) -> None:
    mine = await sent_on(lobby)
    async with lobby.board.database.transaction() as tx:
        await keeping.hears(tx, mine, now=lobby.board.clock())
    lobby.board.clock.forward(90)
    await lobby.answered()
    lobby.board.clock.forward(20)
    assert await ends(lobby, mine) == [(True, 20.0)]
