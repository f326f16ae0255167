"""LiveKit's webhooks: what it really sends, and what somebody else might."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from livekit import rtc

from dialer import migrations
from dialer.adapters.livekit_rooms import LiveKitRooms
from dialer.adapters.livekit_session import LiveKitSession
from dialer.adapters.livekit_webhooks import LiveKitWebhooks
from tests.kit.api import Api, api, changed, serving
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, media_servers
from tests.kit.until import until

ROOM = "tel-att_0"


@pytest_asyncio.fixture
async def found(tmp_path: Path) -> AsyncGenerator[Api]:
    """Give the application with LiveKit's real key."""
    url = f"sqlite:///{tmp_path}/telephony.db"
    migrations.upgrade(url)
    async with api(url) as made:
        yield changed(
            made, webhooks=LiveKitWebhooks(api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
        )


async def _call_in(found: Api, **fields: Any) -> tuple[str, str]:
    """Place a call that is being dialled; gives its id and its room."""
    async with found.client() as client:
        answer = await client.post(
            "/calls", json={"call_type": "sip", "phone_number": "+14155550100"}
        )
        call_id = answer.json()["id"]
    return call_id, await found.dialled(call_id)


async def _types(found: Api, call_id: str) -> list[str]:
    async with found.client() as client:
        events = (await client.get(f"/calls/{call_id}/events")).json()["events"]
    return [event["type"] for event in events]


def _body(room: str, event: str = "participant_joined", **fields: Any) -> bytes:
    said: dict[str, Any] = {
        "event": event,
        "id": "EV_1",
        "createdAt": str(int(time.time())),
        "room": {"name": room, "sid": "RM_1"},
        "participant": {"identity": "callee", "kind": "SIP", "sid": "PA_1"},
    }
    return json.dumps({**said, **fields}).encode()


def _signed(body: bytes, *, secret: str = LIVEKIT_SECRET, **claims: Any) -> str:
    said: dict[str, Any] = {
        "iss": LIVEKIT_KEY,
        "nbf": int(time.time()) - 5,
        "exp": int(time.time()) + 300,
        "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
    }
    return jwt.encode({**said, **claims}, secret, algorithm="HS256")  # pyright: ignore[reportUnknownMemberType]


async def _send(found: Api, body: bytes, token: str | None, **headers: str) -> tuple[int, str]:
    sent = {"content-type": "application/webhook+json", **headers}
    sent |= {"authorization": token or ""}
    async with found.client() as client:
        answer = await client.post("/webhooks/livekit", content=body, headers=sent)
        return answer.status_code, answer.text


async def test_a_webhook_about_a_call_becomes_an_event_and_wakes_the_reaper(found: Api) -> None:
    call_id, room = await _call_in(found)
    body = _body(room)
    status, text = await _send(found, body, _signed(body))
    assert (status, json.loads(text)) == (200, {"status": "taken"})
    assert (await _types(found, call_id))[-1] == "room.participant_joined"
    async with asyncio.timeout(30):
        await found.services.signals.wait_rooms(60)


@pytest.mark.fault("F31")
async def test_a_webhook_that_comes_again_is_one_event(found: Api) -> None:
    call_id, room = await _call_in(found)
    body = _body(room)
    for _ in range(3):
        assert (await _send(found, body, _signed(body)))[0] == 200
    assert (await _types(found, call_id)).count("room.participant_joined") == 1


async def test_a_finished_room_does_not_end_the_call_by_itself(found: Api) -> None:
    call_id, room = await _call_in(found)
    body = _body(room, "room_finished")
    await _send(found, body, _signed(body))
    joined = _body(room, id="EV_2")
    await _send(found, joined, _signed(joined))
    async with found.client() as client:
        assert (await client.get(f"/calls/{call_id}")).json()["status"] == "dialing"


@pytest.mark.parametrize("event", ["track_published", "room_started", "something_new"])
async def test_events_that_say_nothing_to_us_are_taken_and_forgotten(
    found: Api, event: str
) -> None:
    call_id, room = await _call_in(found)
    before = await _types(found, call_id)
    body = _body(room, event)
    assert await _send(found, body, _signed(body)) == (200, '{"status":"ignored"}')
    assert await _types(found, call_id) == before


async def test_a_room_that_is_not_ours_is_ignored(found: Api) -> None:
    body = _body("somebody-elses")
    assert await _send(found, body, _signed(body)) == (200, '{"status":"ignored"}')


def _forged() -> list[Any]:
    body = _body(ROOM)
    other = _body(ROOM, id="EV_other")
    none = jwt.encode({"iss": LIVEKIT_KEY, "sha256": "x"}, "", algorithm="none")  # pyright: ignore[reportUnknownMemberType]
    now = int(time.time())
    pretty = json.dumps(json.loads(body), indent=1).encode()
    return [
        pytest.param(body, None, id="no token"),
        pytest.param(body, "nonsense", id="no jwt"),
        pytest.param(body, _signed(body, secret="w" * 40), id="another secret"),
        pytest.param(body, _signed(body, iss="other"), id="another key"),
        pytest.param(body, _signed(other), id="another body"),
        pytest.param(body, _signed(body, exp=now - 120), id="expired"),
        pytest.param(body, none, id="no algorithm"),
        pytest.param(body, _signed(body, sha256=""), id="no hash"),
        pytest.param(body, _signed(body, sha256="?"), id="a hash that is none"),
        pytest.param(pretty, _signed(body), id="written again"),
        pytest.param(b"\xff\xfe", _signed(b"\xff\xfe"), id="no text"),
        pytest.param(b"[]", _signed(b"[]"), id="no event"),
        pytest.param(b"{", _signed(b"{"), id="no json"),
    ]


@pytest.mark.parametrize(("body", "token"), _forged())
async def test_what_livekit_did_not_sign_is_refused(
    found: Api, body: bytes, token: str | None
) -> None:
    status, text = await _send(found, body, token)
    assert (status, json.loads(text)["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_webhook_of_another_time_is_refused(found: Api, minutes: int) -> None:
    when = datetime.now(UTC) + timedelta(minutes=minutes)
    body = _body(ROOM, createdAt=str(int(when.timestamp())))
    assert (await _send(found, body, _signed(body)))[0] == 401


async def test_a_body_beyond_a_megabyte_is_refused_before_it_is_read(found: Api) -> None:
    body = _body(ROOM, padding="x" * 1024 * 1024)
    assert (await _send(found, body, _signed(body)))[0] == 413


async def test_both_content_types_are_taken_and_no_other(found: Api) -> None:
    body = _body(ROOM)
    for taken in ("application/webhook+json", "application/json; charset=utf-8"):
        assert (await _send(found, body, _signed(body), **{"content-type": taken}))[0] == 200
    assert (await _send(found, body, _signed(body), **{"content-type": "text/plain"}))[0] == 415


async def test_a_real_livekit_reports_who_comes_and_goes(found: Api, tmp_path: Path) -> None:
    call_id, room = await _call_in(found)
    async with serving(found.app) as dialer:
        with media_servers(tmp_path, webhook_url=f"{dialer}/webhooks/livekit") as media:
            session = LiveKitSession(
                url=media.livekit_url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET
            )
            rooms = LiveKitRooms(session, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
            try:
                await rooms.create(room, None)
                browser = rtc.Room()
                token = rooms.token(room, "browser", timedelta(minutes=1))
                await browser.connect(media.livekit_url, token)
                await _until_told(found, call_id, "room.participant_joined")
                await browser.disconnect()
                await _until_told(found, call_id, "room.participant_left")
                await rooms.delete(room)
                await _until_told(found, call_id, "room.finished")
            finally:
                await session.close()
    async with found.client() as client:
        events = (await client.get(f"/calls/{call_id}/events")).json()["events"]
    joined = next(event for event in events if event["type"] == "room.participant_joined")
    assert joined["source"] == "livekit"
    assert (joined["data"]["identity"], joined["data"]["kind"]) == ("browser", "standard")


async def _until_told(found: Api, call_id: str, type_: str) -> None:
    async def told() -> bool:
        return type_ in await _types(found, call_id)

    await until(told, timeout=20, what=type_)
