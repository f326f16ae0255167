"""The life of a call as the API's user sees it, on each database."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from dialer.adapters.tables import attempts, calls, events, idempotency_keys
from dialer.calls.forget import KEY_LIFE, Forgetting
from telephony.dial_request import DialRequest
from telephony.events import EventType
from tests.kit.api import OWN_NUMBERS, Api, serving
from tests.kit.api import api as open_api
from tests.kit.fakes import FakeRooms
from tests.kit.until import until

pytestmark = pytest.mark.asyncio

SIP: dict[str, Any] = {"call_type": "sip", "phone_number": "+14155550100"}
VOIP: dict[str, Any] = {"call_type": "voip"}


async def placed(
    client: httpx.AsyncClient, body: dict[str, Any] | None = None, *, key: str | None = None
) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await client.post("/calls", json=body or SIP, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def count(api: Api, table: Any) -> int:
    async with api.services.database.reading() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


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


# Reading


async def test_every_call_is_listed_once_across_pages(api: Api) -> None:
    async with api.client() as client:
        made = [(await placed(client))["id"] for _ in range(7)]
        found: list[str] = []
        cursor: str | None = None
        while True:
            query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/calls", params=query)).json()
            found += [call["id"] for call in page["calls"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert found == made[::-1]


async def test_lists_are_filtered(api: Api) -> None:
    await api.worker()
    async with api.client() as client:
        sip, voip = await placed(client), await placed(client, VOIP)
        await client.post(sip["links"]["hangup"])

        async def ids(**query: str) -> list[str]:
            answer = await client.get("/calls", params=query)
            assert answer.status_code == 200, answer.text
            return [call["id"] for call in answer.json()["calls"]]

        assert await ids(status="ended") == [sip["id"]]
        assert await ids(outcome="canceled") == [sip["id"]]
        assert await ids(outcome="busy") == []
        assert await ids(call_type="voip") == [voip["id"]]
        assert await ids(phone_number="+1 (415) 555-0100") == [sip["id"]]
        assert await ids(created_from=voip["timestamps"]["queued_at"]) == [voip["id"]]
        assert await ids(created_to=voip["timestamps"]["queued_at"]) == [sip["id"]]


async def test_a_talk_is_told_with_its_words_and_duration(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        await api.dialled(call["id"], EventType.CALL_RINGING, EventType.CALL_ANSWERED)
        await api.saw(call["id"], EventType.CALL_TURN, speaker="agent", text="Hello.")
        await api.saw(call["id"], EventType.CALL_TURN, speaker="callee", text="Who is this?")
        unfinished = (await client.get(call["links"]["transcript"])).json()
        await api.saw(
            call["id"], EventType.CALL_ENDED, ended_reason="agent_hangup", ended_by="agent"
        )
        words = (await client.get(call["links"]["transcript"])).json()
        ended = (await client.get(call["links"]["self"])).json()
    assert not unfinished["complete"] and words["complete"]
    assert [(turn["speaker"], turn["text"]) for turn in words["turns"]] == [
        ("agent", "Hello."),
        ("callee", "Who is this?"),
    ]
    assert (ended["outcome"], ended["hangup_cause"]) == ("completed", 16)
    assert ended["hangup_cause_source"] == "derived"
    assert ended["duration_seconds"] >= 0
    assert all(ended["timestamps"].values())


async def test_events_come_in_pages(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        await client.post(call["links"]["hangup"])
        path = call["links"]["events"]
        first = (await client.get(path, params={"limit": 2})).json()
        rest = (await client.get(path, params={"after": first["next_after"]})).json()
    assert [event["sequence"] for event in first["events"]] == [1, 2]
    assert [event["sequence"] for event in rest["events"]] == [3]
    assert rest["next_after"] is None


def parsed(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


STREAM = {"Accept": "text/event-stream"}


async def test_a_stream_tells_events_as_they_happen_and_ends_with_the_call(api: Api) -> None:
    seen: list[str] = []

    async def follow(url: str, path: str) -> None:
        headers = STREAM | {"Authorization": f"Bearer {api.key}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client,
            client.stream("GET", path) as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    seen.append(line.removeprefix("event: "))

    async with api.client() as client, serving(api.app) as url:
        call = await placed(client)
        following = asyncio.create_task(follow(url, call["links"]["events"]))
        await until(lambda: seen == ["call.queued"])
        await api.dialled(call["id"], EventType.CALL_RINGING)
        await until(lambda: seen[-1] == "call.ringing", timeout=5)
        await api.saw(call["id"], EventType.CALL_ENDED, ended_reason="busy", ended_by="callee")
        await asyncio.wait_for(following, timeout=60)
    assert seen == ["call.queued", "call.dispatching", "call.dialing", "call.ringing", "call.ended"]


async def test_a_stream_resumes_behind_the_last_event_it_gave(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        await client.post(call["links"]["hangup"])
        path = call["links"]["events"]
        whole = await client.get(path, headers=STREAM)
        rest = await client.get(path, headers=STREAM | {"Last-Event-ID": "2"})
        nothing = await client.get(path, headers=STREAM | {"Last-Event-ID": "3"})
    assert [event["sequence"] for event in parsed(whole.text)] == [1, 2, 3]
    assert [event["sequence"] for event in parsed(rest.text)] == [3]
    assert nothing.status_code == 204
