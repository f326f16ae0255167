"""Hanging up as the API's user does, at every moment of a call."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from dialer.adapters.tables import attempts
from telephony.events import EventType
from tests.kit.api import Api
from tests.kit.placing import VOIP, placed

pytestmark = pytest.mark.asyncio


# Hanging up


async def test_hanging_up_a_queued_call_cancels_it_at_once(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        answer = await client.post(call["links"]["hangup"])
    assert answer.status_code == 202
    ended = answer.json()
    assert (ended["status"], ended["outcome"]) == ("ended", "canceled")
    assert (ended["ended_reason"], ended["ended_by"]) == ("api_hangup", "api")


async def test_hanging_up_a_claimed_call_ends_it_and_its_attempt(api: Api) -> None:
    await api.worker()
    async with api.client() as client:
        call = await placed(client, VOIP)
        ended = (await client.post(call["links"]["hangup"])).json()
    assert (ended["status"], ended["outcome"]) == ("ended", "canceled")
    assert api.rooms.deleted == [call["room"]]
    async with api.services.database.reading() as connection:
        assert (await connection.execute(select(attempts.c.state))).scalar_one() == "ended"


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        ([], "dialing"),
        ([EventType.CALL_RINGING], "ringing"),
        ([EventType.CALL_RINGING, EventType.CALL_ANSWERED], "in_progress"),
    ],
)
async def test_hanging_up_a_dialled_call_takes_the_callee_out(
    api: Api, seen: list[EventType], status: str
) -> None:
    from dialer.calls.rooms import ParticipantKind

    async with api.client() as client:
        call = await placed(client)
        room = await api.dialled(call["id"], *seen)
        api.rooms.join(room, "callee", ParticipantKind.SIP)
        answer = await client.post(call["links"]["hangup"])
        assert (answer.status_code, answer.json()["status"]) == (202, status)
        assert api.rooms.removed == [(room, "callee")]
        await api.saw(
            call["id"], EventType.CALL_ENDED, ended_reason="callee_hangup", ended_by="callee"
        )
        ended = (await client.get(call["links"]["self"])).json()
    assert ended["ended_reason"] == "api_hangup"
    assert ended["outcome"] == ("completed" if status == "in_progress" else "canceled")


async def test_hanging_up_before_the_callee_is_in_the_room_deletes_the_room(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        room = await api.dialled(call["id"])
        await client.post(call["links"]["hangup"])
    assert api.rooms.deleted == [room]


async def test_hanging_up_with_livekit_down_is_recorded_all_the_same(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        await api.dialled(call["id"], EventType.CALL_RINGING)
        api.rooms.down = True
        answer = await client.post(call["links"]["hangup"])
        assert answer.status_code == 202
        told = (await client.get(call["links"]["events"])).json()["events"]
    assert told[-1]["type"] == "call.hangup_requested"


async def test_hanging_up_again_changes_nothing(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        first = await client.post(call["links"]["hangup"])
        second = await client.post(call["links"]["hangup"])
        told = (await client.get(call["links"]["events"])).json()["events"]
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json() == first.json()
    assert [event["type"] for event in told] == [
        "call.queued",
        "call.hangup_requested",
        "call.ended",
    ]
