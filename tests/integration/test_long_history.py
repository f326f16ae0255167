"""What is done again and again takes no longer after many calls, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import insert, text

from dialer.adapters.database import Database
from dialer.adapters.tables import attempts, calls
from dialer.calls import endings
from telephony.call import AttemptState, CallStatus, CallType, Direction
from telephony.events import EventType
from tests.kit.api import Api
from tests.kit.fakes import EPOCH
from tests.kit.statements import asked, goes_through, plan
from tests.kit.switchboard import Switchboard

LONG = 3000


async def lived_through(database: Database) -> None:
    """Let many calls have ended long ago, with their rooms gone."""
    ended: list[dict[str, Any]] = [
        {
            "tenant_id": "default",
            "id": f"call_old{n:06}",
            "call_type": CallType.SIP.value,
            "direction": Direction.OUTBOUND.value,
            "status": CallStatus.ENDED.value,
            "agent": "default",
            "variables": {},
            "metadata": {},
            "ring_timeout_seconds": 30,
            "max_duration_seconds": 600,
            "outcome": "completed",
            "ended_reason": "callee_hangup",
            "queued_at": EPOCH,
            "ended_at": EPOCH,
            "last_sequence": 0,
        }
        for n in range(LONG)
    ]
    tried: list[dict[str, Any]] = [
        {
            "tenant_id": "default",
            "id": f"att_old{n:06}",
            "call_id": f"call_old{n:06}",
            "number": 1,
            "state": AttemptState.ENDED.value,
            "fence": 0,
            "dispatches": 1,
            "room": f"tel-old{n:06}",
            "created_at": EPOCH,
            "ended_at": EPOCH,
            "room_gone_at": EPOCH,
        }
        for n in range(LONG)
    ]
    async with database.transaction() as tx:
        await tx.execute(insert(calls), ended)
        await tx.execute(insert(attempts), tried)
        if not database.is_sqlite:
            # As its autovacuum does by itself, some time later.
            await tx.execute(text("ANALYZE"))


async def test_the_reaper_reads_the_rooms_that_are_left_and_not_all_that_ever_were(
    board: Switchboard,
) -> None:
    await lived_through(board.database)
    call_id, granted = await board.talking()
    ended = {"ended_reason": "callee_hangup", "ended_by": "callee"}
    await board.report(granted, (EventType.CALL_ENDED, ended))
    await board.rooms.delete((await board.attempt(call_id)).room)
    with asked(board.database) as statements:
        await board.reap()
    assert (await board.attempt(call_id)).room_gone_at is not None
    [looked] = [one for one in statements if "room_gone_at IS NULL" in one[0]]
    assert "ix_attempts_room_left" in await plan(board.database, looked)


async def test_a_scrape_reads_what_goes_on_and_not_all_that_ever_ended(api: Api) -> None:
    database = api.services.database
    await lived_through(database)
    async with api.client() as client:
        with asked(database) as statements:
            assert (await client.get("/metrics")).status_code == 200
    read = [one for one in statements if one[0].startswith("SELECT")]
    plans = [await plan(database, one) for one in read]
    assert any("calls" in one for one in plans)
    assert [one for one in plans if goes_through(one, "calls", "attempts", rows=LONG)] == []


async def test_calls_that_end_at_once_are_counted_each_once(board: Switchboard) -> None:
    told = (EventType.CALL_ENDED, {"ended_reason": "callee_hangup", "ended_by": "callee"})
    held = [(await board.talking())[1] for _ in range(4)]
    await asyncio.gather(*(board.report(granted, told) for granted in held))
    await board.report(held[0], told)
    call_id = await board.dispatched()
    busy = {"ended_reason": "busy", "ended_by": "callee", "sip_status_code": 486}
    await board.report(await board.dials(call_id), (EventType.CALL_ENDED, busy))
    async with board.database.reading() as connection:
        assert await endings.counted(connection) == {
            ("completed", "callee_hangup"): 4,
            ("busy", "busy"): 1,
        }
