"""Browsers' calls: the room is there before the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from dialer.adapters.tables import attempts, calls, idempotency_keys
from telephony.dial_request import DialRequest
from tests.kit.api import Api
from tests.kit.placing import VOIP, count, placed
from tests.kit.until import until

pytestmark = pytest.mark.asyncio


# VoIP


async def test_a_voip_call_has_its_room_and_a_narrow_token_before_the_answer(api: Api) -> None:
    await api.worker()
    async with api.client() as client:
        call = await placed(client, VOIP)
    assert call["status"] == "dispatching"
    assert call["phone_number"] is None
    room = call["room"]
    assert room in api.rooms.rooms
    assert call["participant_token"] == f"token:{room}:browser:600"
    assert call["livekit_url"] == "ws://127.0.0.1:1"
    request = DialRequest.from_metadata(api.rooms.rooms[room].dispatches[0].metadata)
    assert (request.call_id, request.trunk_id) == (call["id"], None)
    assert request.agent.greeting == "Hello from Riverside Dental."
    grant = api.services.tokens.verify_attempt_token(request.attempt_token, request.attempt_id)
    assert grant.fence == 1
    async with api.services.database.reading() as connection:
        attempt = (await connection.execute(select(attempts))).one()
    assert (attempt.state, attempt.fence, attempt.room) == ("claimed", 1, room)
    assert attempt.dispatched_at is not None


async def test_voip_replays_give_a_token_for_the_same_room(api: Api) -> None:
    await api.worker()
    async with api.client() as client:
        first = await placed(client, VOIP, key="k")
        again = await placed(client, VOIP, key="k")
    assert again == first
    assert api.rooms.created == [first["room"]]


async def test_tokens_are_not_kept_in_the_database(api: Api) -> None:
    await api.worker()
    async with api.client() as client:
        await placed(client, VOIP, key="k")
    async with api.services.database.reading() as connection:
        body = (await connection.execute(select(idempotency_keys.c.response_body))).scalar_one()
    assert "participant_token" not in body


async def test_voip_without_a_worker_is_503_and_leaves_nothing(api: Api) -> None:
    async with api.client() as client:
        answer = await client.post("/calls", json=VOIP)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_worker")
    assert int(answer.headers["retry-after"]) > 0
    assert await count(api, calls) == 0


async def test_voip_with_every_worker_full_is_503(api: Api) -> None:
    await api.worker(capacity=1)
    async with api.client() as client:
        await placed(client, VOIP)
        answer = await client.post("/calls", json=VOIP)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_worker")


async def test_of_many_browsers_at_once_each_free_seat_takes_one(api: Api) -> None:
    await api.worker(capacity=2)
    async with api.client() as client:
        answers = await asyncio.gather(*(client.post("/calls", json=VOIP) for _ in range(8)))
        listed = (await client.get("/calls")).json()["calls"]
    assert sorted(answer.status_code for answer in answers) == [202] * 2 + [503] * 6
    assert {a.json()["code"] for a in answers if a.status_code == 503} == {"no_worker"}
    assert len(listed) == 2 and len(api.rooms.rooms) == 2


async def test_a_room_that_is_open_too_late_is_503_and_leaves_nothing_running(api: Api) -> None:
    await api.worker()
    api.rooms.creating.clear()
    async with api.client() as client:
        asked = asyncio.create_task(
            client.post("/calls", json=VOIP, headers={"Idempotency-Key": "late"})
        )

        async def written() -> dict[str, Any] | None:
            return next(iter((await client.get("/calls")).json()["calls"]), None)

        call = await until(written)
        await client.post(call["links"]["hangup"])
        api.rooms.creating.set()
        answer = await asked
        assert (answer.status_code, answer.json()["code"]) == (503, "media_server_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert api.rooms.rooms == {}
        again = await client.post("/calls", json=VOIP, headers={"Idempotency-Key": "late"})
        assert again.status_code == 202 and again.json()["id"] != call["id"]


async def test_voip_with_livekit_down_is_503_ends_as_failed_and_can_be_sent_again(
    api: Api,
) -> None:
    await api.worker()
    api.rooms.down = True
    headers = {"Idempotency-Key": "k"}
    async with api.client() as client:
        answer = await client.post("/calls", json=VOIP, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "media_server_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        [call] = (await client.get("/calls")).json()["calls"]
        assert (call["status"], call["outcome"]) == ("ended", "failed")
        assert call["ended_reason"] == "media_server_lost"
        api.rooms.down = False
        await placed(client, VOIP, key="k")
