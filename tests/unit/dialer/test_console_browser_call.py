"""The request behind the page's Connect button."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.kit.api import Api
from tests.kit.browser_session import console, sign_in


@pytest_asyncio.fixture
async def visit(tmp_path: Path) -> AsyncIterator[tuple[Api, httpx.AsyncClient]]:
    async with console(tmp_path, livekit_public_url="wss://media.example.com") as (api, browser):
        await api.worker()
        await sign_in(api, browser)
        yield api, browser


async def test_connect_places_a_voip_call_and_gives_the_way_in(
    visit: tuple[Api, httpx.AsyncClient],
) -> None:
    api, browser = visit

    answer = await browser.post("/api/token", json={})

    assert answer.status_code == 200, answer.text
    way_in = answer.json()
    assert set(way_in) == {"call", "livekit_url", "token", "room"}
    assert way_in["call"]["call_type"] == "voip"
    assert way_in["livekit_url"] == "wss://media.example.com"
    assert way_in["token"]
    assert api.rooms.created == [way_in["room"]]
    assert len(api.rooms.rooms[way_in["room"]].dispatches) == 1


async def test_the_cookie_also_reads_the_calls_events(visit: tuple[Api, httpx.AsyncClient]) -> None:
    _, browser = visit
    call = (await browser.post("/api/token", json={})).json()["call"]

    events = await browser.get(f"/calls/{call['id']}/events")

    assert [event["type"] for event in events.json()["events"]] == [
        "call.queued",
        "call.dispatching",
    ]


async def test_an_api_key_does_as_well_as_the_cookie(visit: tuple[Api, httpx.AsyncClient]) -> None:
    async with visit[0].client() as program:
        answer = await program.post("/api/token", json={"metadata": {"from": "a page of ours"}})

    assert answer.status_code == 200
    assert answer.json()["call"]["metadata"] == {"from": "a page of ours"}


async def test_who_is_not_signed_in_gets_no_call(visit: tuple[Api, httpx.AsyncClient]) -> None:
    api, browser = visit
    browser.cookies.clear()

    answer = await browser.post("/api/token", json={})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert api.rooms.created == []


async def test_without_a_worker_the_page_is_told_so(tmp_path: Path) -> None:
    async with console(tmp_path) as (api, browser):
        await sign_in(api, browser)
        answer = await browser.post("/api/token", json={})

    assert (answer.status_code, answer.json()["code"]) == (503, "no_worker")
    assert "retry-after" in answer.headers
    assert api.rooms.created == []


async def test_without_livekit_the_page_is_told_so(visit: tuple[Api, httpx.AsyncClient]) -> None:
    api, browser = visit
    api.rooms.down = True

    answer = await browser.post("/api/token", json={})

    assert (answer.status_code, answer.json()["code"]) == (503, "media_server_unavailable")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"call_type": "sip"}, 422, "invalid_value"),
        ({"phone_number": "+14155550101"}, 422, "invalid_value"),
        ({"agent": "nobody"}, 404, "agent_not_found"),
        ({"agent": "needy"}, 422, "variable_missing"),
        ({"agnt": "default"}, 422, "unknown_field"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    visit: tuple[Api, httpx.AsyncClient], body: dict[str, Any], status: int, code: str
) -> None:
    answer = await visit[1].post("/api/token", json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
