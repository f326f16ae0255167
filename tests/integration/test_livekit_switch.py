"""The switch between two LiveKits, on both databases; what readiness and a browser are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dialer.adapters.database import Database
from dialer.livekits import switch
from dialer.livekits.choice import LiveKits
from dialer.livekits.livekit import Realm
from dialer.livekits.rooms import RoomsOfAll
from dialer.livekits.switch import Use
from dialer.workers.jobs import Jobs
from dialer.workers.presence import PresenceAt
from telephony.worker_contract import LiveKitName
from tests.kit.api import Api, changed
from tests.kit.fakes import FakeRooms

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


async def test_the_newest_turn_holds_and_each_one_stays(database_url: str) -> None:
    database = Database(database_url)
    try:
        assert await switch.wanted(database) is Use.AUTO
        for n, use in enumerate((Use.FALLBACK, Use.AUTO, Use.OWN)):
            async with database.transaction() as tx:
                # A clock that was put back changes nothing in their order.
                await switch.turn(tx, use, "eve@host" * 30, now=NOON - timedelta(hours=n))
            assert await switch.wanted(database) is use
        async with database.reading() as connection:
            found = await switch.turns(connection, limit=2)
        assert [(one.use, one.at) for one in found] == [
            (Use.OWN, NOON - timedelta(hours=2)),
            (Use.AUTO, NOON - timedelta(hours=1)),
        ]
        assert found[0].by == ("eve@host" * 30)[:128]
    finally:
        await database.close()


def with_fallback(api: Api, use: Use) -> tuple[Api, FakeRooms, LiveKits]:
    """Give the application a second LiveKit, with the switch turned so."""

    async def wanted() -> Use:
        return use

    rooms = FakeRooms(now=api.services.now)
    own = api.services.livekits.own
    livekits = LiveKits(
        replace(
            own,
            realm=Realm("tel", "telfb"),
            presence=PresenceAt(LiveKitName.OWN, api.presence),
        ),
        replace(
            own,
            name=LiveKitName.FALLBACK,
            realm=Realm("telfb", "telfb"),
            rooms=rooms,
            presence=PresenceAt(LiveKitName.FALLBACK, api.presence),
            jobs=Jobs(),
            browser_url="wss://example.livekit.cloud",
        ),
        wanted=wanted,
    )
    return changed(api, livekits=livekits, rooms=RoomsOfAll(livekits)), rooms, livekits


async def test_a_browsers_call_is_made_and_answered_where_new_calls_go(api: Api) -> None:
    api, rooms, livekits = with_fallback(api, Use.FALLBACK)
    await livekits.step()
    await api.worker("w1")
    async with api.client() as client:
        refused = await client.post("/calls", json={"call_type": "voip"})
        assert (refused.status_code, refused.json()["code"]) == (503, "no_worker")
        await api.worker("w2", livekit=LiveKitName.FALLBACK)
        headers = {"Idempotency-Key": "one"}
        answer = await client.post("/calls", json={"call_type": "voip"}, headers=headers)
        placed = answer.json()
        assert placed["livekit_url"] == "wss://example.livekit.cloud"
        assert [*rooms.rooms] == [placed["room"]] and placed["room"].startswith("telfb-")
        again = await client.post("/calls", json={"call_type": "voip"}, headers=headers)
        assert again.json()["livekit_url"] == placed["livekit_url"]
        api.rooms.down = True  # our own; it has nothing to do with this call
        assert (await client.post(placed["links"]["hangup"])).status_code == 202
    assert rooms.deleted == [placed["room"]]


async def test_readiness_is_that_of_the_one_in_use(api: Api) -> None:
    api, rooms, livekits = with_fallback(api, Use.FALLBACK)
    await livekits.step()
    await api.worker("w1")
    api.rooms.down = True
    async with api.client() as client:
        told = (await client.get("/readyz")).json()
        assert told["livekit"] == "fallback"
        assert "WORKER_LIVEKIT=fallback" in told["missing"]["worker"]
        await api.worker("w2", livekit=LiveKitName.FALLBACK)
        assert (await client.get("/readyz")).json()["missing"] == {}
        rooms.down = True
        assert set((await client.get("/readyz")).json()["missing"]) == {"livekit"}
        text = (await client.get("/metrics")).text
    assert 'telephony_livekit_in_use{livekit="fallback"} 1.0' in text
    assert 'telephony_livekit_in_use{livekit="own"} 0.0' in text
