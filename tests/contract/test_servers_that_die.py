"""What is left when livekit-server or its Redis dies, and how it is put in order again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import redis
from livekit import rtc

from dialer.adapters.livekit_rooms import LiveKitRooms
from dialer.adapters.livekit_session import LiveKitSession
from dialer.adapters.livekit_trunk import LiveKitTrunks
from dialer.calls.rooms import Dispatch
from telephony.errors import Unavailable
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers, media_servers
from tests.kit.trunks import trunk
from tests.kit.until import until

WANTED = [trunk(username="user", password="secret"), trunk("second", numbers=("+14155550198",))]


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServers]:
    """Give servers that the test may kill."""
    with media_servers(tmp_path_factory.mktemp("mortal")) as servers:
        yield servers


@pytest_asyncio.fixture
async def session(mortal: MediaServers) -> AsyncGenerator[LiveKitSession]:
    """Give a client of them."""
    made = LiveKitSession(url=mortal.livekit_url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
    yield made
    await made.close()


@pytest.fixture
def rooms(session: LiveKitSession) -> LiveKitRooms:
    """Give the rooms of them."""
    return LiveKitRooms(session, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)


async def _deletes(rooms: LiveKitRooms, room: str, *, within: float) -> None:
    """Delete the only room, however often it takes while its server comes back."""

    async def deleted() -> bool:
        try:
            await rooms.delete(room)
        except Unavailable:
            return False
        return await rooms.list("tel-") == []

    await until(deleted, timeout=within, what="the room is gone")


async def test_a_room_outlives_its_server_in_the_lists_only_and_can_be_deleted(
    mortal: MediaServers, rooms: LiveKitRooms
) -> None:
    await rooms.create("tel-att_1", Dispatch("telephony", "{}"))
    mortal.livekit.stop()
    with pytest.raises(Unavailable):
        await rooms.list("tel-")
    mortal.livekit.start()

    assert [room.name for room in await rooms.list("tel-")] == ["tel-att_1"]
    assert not await rooms.served("tel-att_1")

    await _deletes(rooms, "tel-att_1", within=30)


async def test_a_room_that_is_left_in_halves_can_be_deleted(
    mortal: MediaServers, rooms: LiveKitRooms
) -> None:
    """It is listed and no server has it: so one leaves it that dies at the wrong moment."""
    await rooms.create("tel-att_1", None)
    mortal.livekit.stop()
    client: Any = redis.Redis.from_url(mortal.redis_url)  # pyright: ignore[reportUnknownMemberType]
    assert client.hdel("room_node_map", "tel-att_1") == 1
    client.close()
    mortal.livekit.start()

    await _deletes(rooms, "tel-att_1", within=15)


async def test_a_room_lives_on_when_redis_comes_back_empty(
    mortal: MediaServers, rooms: LiveKitRooms
) -> None:
    await rooms.create("tel-att_1", None)
    mortal.redis.stop()
    mortal.redis.start()

    async def served() -> bool:
        try:
            return await rooms.served("tel-att_1")
        except Unavailable:
            return False

    await until(served, timeout=30, what="the room answers again")
    assert await rooms.list("tel-") == []


@pytest.mark.fault("F16")
async def test_who_is_in_a_room_that_no_list_names_is_hung_up_all_the_same(
    mortal: MediaServers, rooms: LiveKitRooms
) -> None:
    await rooms.create("tel-att_1", None)
    callee = rtc.Room()
    token = rooms.token("tel-att_1", "callee", timedelta(minutes=5))
    await callee.connect(mortal.livekit_url, token)
    gone = asyncio.Event()

    def cut(_: object) -> None:
        gone.set()

    callee.on("disconnected", cut)  # pyright: ignore[reportUnknownMemberType]
    client: Any = redis.Redis.from_url(mortal.redis_url)  # pyright: ignore[reportUnknownMemberType]
    client.flushall()
    client.close()
    assert await rooms.list("tel-") == []  # for some seconds, until its server writes it down again

    async def deleted() -> bool:
        try:
            await rooms.delete("tel-att_1")
        except Unavailable:
            return False  # the server has not registered itself again
        return True

    await until(deleted, timeout=30, what="the room is deleted")
    await asyncio.wait_for(gone.wait(), 30)


@pytest.mark.fault("F16")
async def test_the_trunks_are_made_anew_when_redis_comes_back_empty(
    mortal: MediaServers, session: LiveKitSession
) -> None:
    trunks = LiveKitTrunks(session)
    first = await trunks.ensure(WANTED)
    mortal.redis.stop()
    with pytest.raises(Unavailable):
        await trunks.ensure(WANTED)
    mortal.redis.start()

    async def again() -> Mapping[str, str] | None:
        try:
            return await trunks.ensure(WANTED)
        except Unavailable:
            return None

    second = await until(again, timeout=30)
    assert second and set(second) == {wanted.name for wanted in WANTED}
    assert set(second.values()).isdisjoint(first.values())
    assert await trunks.ensure(WANTED) == second
