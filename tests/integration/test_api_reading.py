"""Calls, their words and their events as the API's user reads them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from dialer.tenants.keys import Keys
from telephony.events import EventType
from tests.kit.api import Api, serving
from tests.kit.placing import VOIP, placed
from tests.kit.until import until

pytestmark = pytest.mark.asyncio


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
        unescaped = await client.get("/calls?phone_number=+14155550100")
        assert [call["id"] for call in unescaped.json()["calls"]] == [sip["id"]]
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


async def test_a_stream_ends_for_a_key_that_is_revoked(api: Api) -> None:
    async with api.services.database.transaction() as tx:
        key = await Keys(tx, "default").create("listener", now=datetime.now(UTC))

    async def follow(url: str, path: str) -> None:
        headers = STREAM | {"Authorization": f"Bearer {key.secret}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client,
            client.stream("GET", path) as answer,
        ):
            assert answer.status_code == 200
            first.set()
            async for _ in answer.aiter_lines():
                pass

    first = asyncio.Event()
    async with api.client() as client, serving(api.app) as url:
        call = await placed(client)
        following = asyncio.create_task(follow(url, call["links"]["events"]))
        await asyncio.wait_for(first.wait(), 20)
        async with api.services.database.transaction() as tx:
            await Keys(tx, "default").revoke(key.id, now=datetime.now(UTC))
        await asyncio.wait_for(following, timeout=60)
        assert (await client.get(call["links"]["self"])).json()["status"] == "queued"


async def test_a_stream_resumes_behind_the_last_event_it_gave(api: Api) -> None:
    async with api.client() as client:
        call = await placed(client)
        await client.post(call["links"]["hangup"])
        path = call["links"]["events"]
        whole = await client.get(path, headers=STREAM)
        rest = await client.get(path, headers=STREAM | {"Last-Event-ID": "2"})
        nothing = await client.get(path, headers=STREAM | {"Last-Event-ID": "3"})
        behind = await client.get(f"{path}?after=3", headers=STREAM)
    assert [event["sequence"] for event in parsed(whole.text)] == [1, 2, 3]
    assert [event["sequence"] for event in parsed(rest.text)] == [3]
    assert (nothing.status_code, behind.status_code) == (204, 204)
