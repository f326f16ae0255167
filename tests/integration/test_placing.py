"""Calls that are placed, once for each key, on each database."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from dialer.adapters.tables import attempts, calls, events, idempotency_keys
from dialer.calls.forget import KEY_LIFE, Forgetting
from telephony.events import EventType
from tests.kit.api import OWN_NUMBERS, Api
from tests.kit.api import api as open_api
from tests.kit.fakes import FakeRooms
from tests.kit.placing import SIP, VOIP, count, placed

pytestmark = pytest.mark.asyncio


class Untouchable(FakeRooms):
    """Rooms that nobody may ask for anything."""

    def _answer(self) -> None:
        raise AssertionError("the network was touched")


async def test_a_sip_call_is_taken_without_touching_the_network(api: Api) -> None:
    api.rooms._answer = Untouchable._answer.__get__(api.rooms)  # pyright: ignore[reportPrivateUsage]
    async with api.client() as client:
        call = await placed(client)
    assert call["status"] == "queued"
    assert call["caller_id"] == OWN_NUMBERS[0]
    assert call["attempts"] == 1
    assert call["timestamps"]["queued_at"]
    assert call["ring_timeout_seconds"] == 30
    assert call["max_duration_seconds"] == 600


async def test_call_attempt_event_and_key_are_one_transaction(api: Api) -> None:
    async with api.client() as client:
        await placed(client, key="k")
    for table in (calls, attempts, events, idempotency_keys):
        assert await count(api, table) == 1


async def test_placing_a_call_wakes_the_dispatcher(api: Api) -> None:
    async with api.client() as client:
        await placed(client)
    await asyncio.wait_for(api.services.signals.wait_work(120), timeout=60)


async def test_what_was_sent_comes_back(api: Api) -> None:
    body = SIP | {
        "caller_id": OWN_NUMBERS[1],
        "variables": {"customer_name": "Zoë"},
        "metadata": {"order": [1, {"a": None}], "\u0000": "\u0000"},
        "ring_timeout_seconds": 5,
        "max_duration_seconds": 14_400,
    }
    async with api.client() as client:
        call = await placed(client, body)
        again = (await client.get(call["links"]["self"])).json()
    assert again == call
    assert {name: call[name] for name in body} == body


async def test_the_same_key_and_body_give_the_first_answer_again(api: Api) -> None:
    headers = {"Idempotency-Key": "order-1"}
    async with api.client() as client:
        first = await client.post("/calls", json=SIP, headers=headers)
        await api.saw(first.json()["id"], EventType.CALL_DISPATCHING)
        spaced = json.dumps(dict(reversed(SIP.items())), indent=3)
        second = await client.post(
            "/calls", content=spaced, headers=headers | {"Content-Type": "application/json"}
        )
    assert second.status_code == first.status_code == 202
    assert second.text == first.text
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert await count(api, calls) == 1


async def test_twenty_at_once_with_one_key_are_one_call(api: Api) -> None:
    async with api.client() as client:
        answers = await asyncio.gather(
            *(client.post("/calls", json=SIP, headers={"Idempotency-Key": "k"}) for _ in range(20))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await count(api, calls) == 1


async def test_43_a_key_in_flight_is_a_conflict_with_retry_after(api: Api) -> None:
    await api.worker()
    opening, opened = asyncio.Event(), asyncio.Event()
    create = api.rooms.create

    async def slowly(*arguments: Any) -> Any:
        opening.set()
        await opened.wait()
        return await create(*arguments)

    api.rooms.create = slowly  # pyright: ignore[reportAttributeAccessIssue]
    headers = {"Idempotency-Key": "k"}
    async with api.client() as client:
        first = asyncio.create_task(client.post("/calls", json=VOIP, headers=headers))
        await opening.wait()
        second = await client.post("/calls", json=VOIP, headers=headers)
        opened.set()
        assert (await first).status_code == 202
    assert second.status_code == 409
    assert second.json()["code"] == "idempotency_in_flight"
    assert int(second.headers["retry-after"]) > 0


async def test_a_key_whose_first_request_died_tells_the_call_as_it_stands(api: Api) -> None:
    await api.worker()
    async with api.client() as client:
        first = await placed(client, VOIP, key="k")
        async with api.services.database.transaction() as tx:
            long_ago = api.services.now().replace(year=2020)
            await tx.execute(
                update(idempotency_keys).values(
                    response_status=None, response_body=None, created_at=long_ago
                )
            )
        again = await placed(client, VOIP, key="k")
    assert again["id"] == first["id"]
    assert again["participant_token"]


async def test_44_another_tenants_key_is_another_key(api: Api) -> None:
    other = await api.tenant("other")
    async with api.client() as one, api.client(other) as two:
        first, second = await placed(one, key="k"), await placed(two, key="k")
    assert first["id"] != second["id"]


async def test_a_refused_request_leaves_its_key_free(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    async with api.client() as client:
        refused = await client.post("/calls", json=SIP | {"agent": "nobody"}, headers=headers)
        assert refused.status_code == 404
        await placed(client, key="k")


async def test_a_full_queue_answers_429(database_url: str) -> None:
    async with open_api(database_url, max_queued_calls=3) as api, api.client() as client:
        answers = await asyncio.gather(*(client.post("/calls", json=SIP) for _ in range(6)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) == 3
        assert refused[0].json()["code"] == "queue_full"
        assert int(refused[0].headers["retry-after"]) > 0
        other = await api.tenant("other")
        async with api.client(other) as neighbour:
            await placed(neighbour)


async def test_idempotency_keys_are_forgotten_after_seven_days_and_not_before(api: Api) -> None:
    async with api.client() as client:
        first = await placed(client, key="old")
        await placed(client, key="young")
        almost = datetime.now(UTC) - KEY_LIFE + timedelta(minutes=1)
        for key, created_at in (("old", almost - timedelta(minutes=2)), ("young", almost)):
            async with api.services.database.transaction() as tx:
                mine = update(idempotency_keys).where(idempotency_keys.c.key == key)
                await tx.execute(mine.values(created_at=created_at))
        pause = await Forgetting(api.services.database, now=api.services.now).step()
        async with api.services.database.reading() as connection:
            left = (await connection.execute(select(idempotency_keys.c.key))).scalars().all()
        assert (list(left), KEY_LIFE) == (["young"], timedelta(days=7))
        assert pause > 0
        assert (await placed(client, key="old"))["id"] != first["id"]
