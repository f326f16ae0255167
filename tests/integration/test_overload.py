"""Above the limit calls are turned away, cheaply; those that were taken never notice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dialer.calls.store import Calls
from telephony.call import DEFAULT_TENANT
from tests.kit import postgres
from tests.kit.api import Api, changed
from tests.kit.api import api as open_api
from tests.kit.until import until

pytestmark = pytest.mark.asyncio

SIP: dict[str, Any] = {"phone_number": "+14155550100"}
LIMIT = 20


@pytest_asyncio.fixture
async def small(database_url: str) -> AsyncGenerator[Api]:
    """Give the application with a short queue, over each database."""
    async with open_api(database_url, max_queued_calls=LIMIT) as found:
        yield found


async def post(client: httpx.AsyncClient, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post("/calls", json=SIP, headers=headers)


def check_turned_away(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) > 0


async def fill(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answers = await asyncio.gather(*(post(client) for _ in range(LIMIT)))
    assert {answer.status_code for answer in answers} == {202}
    check_turned_away(await post(client))
    return [answer.json() for answer in answers]


async def test_of_fifty_at_once_as_many_are_taken_as_may_wait(small: Api) -> None:
    async with small.client() as client:
        answers = await asyncio.gather(*(post(client) for _ in range(50)))
        taken = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        for answer in answers:
            if answer.status_code != 202:
                check_turned_away(answer)
        assert len(taken) == LIMIT
        listed = (await client.get("/calls", params={"limit": 100})).json()["calls"]
    assert sorted(call["id"] for call in listed) == sorted(taken)
    assert {call["status"] for call in listed} == {"queued"}


async def test_who_is_turned_away_waits_for_nobody_who_writes(small: Api) -> None:
    async with small.client() as client:
        await fill(client)
        async with small.services.database.transaction() as tx:
            await Calls(tx, DEFAULT_TENANT).one_at_a_time()
            async with asyncio.timeout(20):
                for answer in await asyncio.gather(*(post(client) for _ in range(50))):
                    check_turned_away(answer)


async def test_those_who_are_turned_away_at_once_share_a_count(
    small: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, count = 0, Calls.queued

    async def queued(self: Calls, *, at_most: int) -> int:
        nonlocal counted
        counted += 1
        return await count(self, at_most=at_most)

    async with small.client() as client:
        await fill(client)
        monkeypatch.setattr(Calls, "queued", queued)
        for answer in await asyncio.gather(*(post(client) for _ in range(50))):
            check_turned_away(answer)
    assert 0 < counted < 50


async def test_a_place_that_comes_free_in_a_crowd_is_taken_a_moment_later(small: Api) -> None:
    async with small.client() as client:
        waiting = await fill(client)
        for answer in await asyncio.gather(*(post(client) for _ in range(50))):
            check_turned_away(answer)
        assert (await client.post(waiting[0]["links"]["hangup"])).is_success

        async def taken() -> bool:
            return (await post(client)).status_code == 202

        await until(taken, what="the free place is taken")
        check_turned_away(await post(client))


async def test_far_below_the_limit_placers_do_not_wait_for_each_other(
    postgres_server: str,
) -> None:
    with postgres.fresh_database(postgres_server) as url:
        async with (
            open_api(url) as api,
            api.client() as client,
            api.services.database.transaction() as tx,
        ):
            await Calls(tx, DEFAULT_TENANT).one_at_a_time()
            async with asyncio.timeout(20):
                assert (await post(client)).status_code == 202


async def test_a_request_that_was_taken_is_answered_again_at_overload(small: Api) -> None:
    async with small.client() as client:
        first = await post(client, "k")
        for _ in range(LIMIT - 1):
            assert (await post(client)).status_code == 202
        check_turned_away(await post(client))
        again = await post(client, "k")
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        assert again.headers["Idempotent-Replayed"] == "true"


async def test_a_place_that_comes_free_is_given_again_and_the_key_was_left_free(
    small: Api,
) -> None:
    async with small.client() as client:
        waiting = await fill(client)
        check_turned_away(await post(client, "k"))
        await client.post(waiting[0]["links"]["hangup"])
        taken = await post(client, "k")
        assert taken.status_code == 202
        assert "Idempotent-Replayed" not in taken.headers
        check_turned_away(await post(client))


async def test_what_waits_is_unharmed_and_a_browser_does_not_queue(small: Api) -> None:
    async with small.client() as client:
        waiting = await fill(client)
        await asyncio.gather(*(post(client) for _ in range(30)))
        for call in waiting:
            now = (await client.get(call["links"]["self"])).json()
            assert now == {name: value for name, value in call.items() if name in now}
        await small.worker()
        assert (await client.post("/calls", json={"call_type": "voip"})).status_code == 202


async def test_the_queues_depth_and_age_are_metrics(small: Api) -> None:
    async with small.client() as client:
        await fill(client)
    real = small.services.now
    later = changed(small, now=lambda: real() + timedelta(minutes=5))
    async with later.client() as client:
        text = (await client.get("/metrics")).text
    assert 'telephony_calls{status="queued"} 20.0' in text
    found = re.search(r"^telephony_call_oldest_queued_seconds (\S+)$", text, re.MULTILINE)
    assert found is not None
    assert 300 <= float(found[1]) < 600
    assert 'telephony_problems_total{code="queue_full"}' in text
