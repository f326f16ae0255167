"""The pace of a trunk is kept where the INVITE leaves, whenever its agent was asked for."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from dialer.adapters.tables import attempts
from dialer.calls.pacing import Pace, RollingPacer
from dialer.routing.trunk import OUTBOUND
from dialer.routing.turn import wait_for_turn
from telephony.events import EventType
from tests.kit.api import Api, changed
from tests.kit.placing import placed
from tests.kit.trunks import trunk
from tests.kit.until import until

pytestmark = pytest.mark.asyncio


class Gate(RollingPacer):
    """A pace that allows nothing before the seconds that it names are 0."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.asked: list[tuple[str, Pace]] = []

    async def take(self, trunk: str, pace: Pace, *, ahead: float = 0.0) -> float:
        """Say how long to wait."""
        self.asked.append((trunk, pace))
        return self.seconds


async def _claimed(api: Api) -> str:
    """Let a call's agent be about to ask for the permit; gives the attempt's id."""
    async with api.client() as client:
        call = await placed(client)
    await api.saw(call["id"], EventType.CALL_DISPATCHING)
    async with api.services.database.transaction() as tx:
        mine = attempts.c.call_id == call["id"]
        await tx.execute(update(attempts).where(mine).values(fence=1, trunk=OUTBOUND))
        return (await tx.execute(select(attempts.c.id).where(mine))).scalar_one()


async def _state(api: Api, attempt_id: str) -> str:
    async with api.services.database.reading() as connection:
        query = select(attempts.c.state).where(attempts.c.id == attempt_id)
        return (await connection.execute(query)).scalar_one()


async def _asks(api: Api, attempt_id: str) -> tuple[int, str | None]:
    key = api.services.tokens.mint_attempt_token(attempt_id, "default", 1)
    async with api.client(key) as worker:
        path = f"/internal/attempts/{attempt_id}/permit"
        answer = await worker.post(path, json={"asked_by": "me"}, timeout=60)
    return answer.status_code, answer.json().get("code")


async def test_a_permit_is_given_when_it_is_the_calls_turn(api: Api) -> None:
    gate = Gate(0.01)
    api = changed(api, pacer=gate)
    attempt_id = await _claimed(api)
    asking = asyncio.create_task(_asks(api, attempt_id))
    await until(lambda: len(gate.asked) >= 3)
    assert await _state(api, attempt_id) == "claimed"
    gate.seconds = 0
    assert await asking == (200, None)
    assert await _state(api, attempt_id) == "sent"
    # The settings' trunk takes one call a second.
    assert set(gate.asked) == {(f"{OUTBOUND}:invite", Pace(1, 1.0))}


async def test_one_whose_turn_is_too_far_away_is_told_to_ask_again(api: Api) -> None:
    api = changed(api, pacer=Gate(60))
    attempt_id = await _claimed(api)
    assert await _asks(api, attempt_id) == (503, "trunk_paced")
    assert await _state(api, attempt_id) == "claimed"


async def test_a_carrier_that_wants_fewer_calls_slows_the_invites_turns(api: Api) -> None:
    time = 0.0
    api = changed(api, pacer=RollingPacer(clock=lambda: time))
    pacer, paced = api.services.pacer, trunk(OUTBOUND, cps=4)
    attempt_id = await _claimed(api)
    assert await _asks(api, attempt_id) == (200, None)
    await _too_fast(api, attempt_id)
    time = 1.0  # whose window the INVITE that was too fast is not in
    turns = [wait_for_turn(paced, pacer, at_most=0) for _ in range(4)]
    told = await asyncio.gather(*turns, return_exceptions=True)
    assert [one is None for one in told] == [True, True, False, False]
    time = 2.0
    for _ in range(2):
        await wait_for_turn(paced, pacer, at_most=0)


async def _too_fast(api: Api, attempt_id: str) -> None:
    key = api.services.tokens.mint_attempt_token(attempt_id, "default", 1)
    async with api.client(key) as worker:
        path = f"/internal/attempts/{attempt_id}/permit/return"
        answer = await worker.post(path, json={"why": "too_fast"})
    assert answer.status_code == 200, answer.text
