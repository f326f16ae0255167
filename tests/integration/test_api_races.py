"""What happens when two ask at once: exactly one of them has it, and nobody waits forever."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from dialer.adapters.tables import attempts
from dialer.calls.permit import permit
from dialer.tenants.tokens import AttemptGrant
from telephony.errors import Conflict
from telephony.events import EventType
from tests.kit.api import Api

pytestmark = pytest.mark.asyncio


async def test_a_hang_up_and_a_permit_at_once_leave_no_dialled_call_that_is_over(
    api: Api,
) -> None:
    async with api.client() as client:
        for _ in range(15):
            call = (await client.post("/calls", json={"phone_number": "+14155550100"})).json()
            async with api.services.database.transaction() as tx:
                await tx.execute(
                    update(attempts)
                    .where(attempts.c.call_id == call["id"])
                    .values(fence=1, room=f"tel-{call['id'][-6:]}")
                )
            await api.saw(call["id"], EventType.CALL_DISPATCHING)
            async with api.services.database.reading() as connection:
                query = select(attempts.c.id).where(attempts.c.call_id == call["id"])
                grant = AttemptGrant((await connection.execute(query)).scalar_one(), "default", 1)

            async def dial(grant: AttemptGrant = grant) -> bool:
                try:
                    async with api.services.database.transaction() as tx:
                        await permit(tx, grant, "asker", now=api.services.now())
                except Conflict:
                    return False
                return True

            permitted, hung_up = await asyncio.wait_for(
                asyncio.gather(dial(), client.post(call["links"]["hangup"])), timeout=60
            )
            assert hung_up.status_code == 202
            now = (await client.get(call["links"]["self"])).json()
            assert now["status"] == ("dialing" if permitted else "ended")


async def test_many_hang_ups_at_once_end_the_call_once(api: Api) -> None:
    async with api.client() as client:
        call = (await client.post("/calls", json={"phone_number": "+14155550100"})).json()
        answers = await asyncio.gather(*(client.post(call["links"]["hangup"]) for _ in range(10)))
        events = (await client.get(call["links"]["events"])).json()["events"]
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
    assert [event["type"] for event in events].count("call.ended") == 1
