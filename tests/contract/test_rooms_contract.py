"""What ``dialer.calls.rooms.Rooms`` promises: the fake and LiveKit itself, held to the same."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

import jwt
import pytest
import pytest_asyncio
from livekit import api, rtc

from dialer.adapters.livekit_rooms import LiveKitRooms
from dialer.adapters.livekit_session import LiveKitSession
from dialer.calls.rooms import Dispatch, ParticipantKind, Rooms
from telephony.bridge_hold import Hold
from telephony.errors import Unavailable
from tests.kit.fakes import FakeRooms
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers, free_port
from tests.kit.until import until

PREFIX = "contract-"
DISPATCH = Dispatch("telephony", '{"attempt": 1}')


class World(Protocol):
    """What the contract needs beside the port."""

    rooms: Rooms

    async def join(self, room: str, identity: str) -> None:
        """Let a browser join."""
        ...

    async def join_as_bridges_do(self, room: str, identity: str) -> None:
        """Let somebody join who may send data."""
        ...

    async def dispatches(self, room: str) -> list[tuple[str, str]]:
        """List the agent's name and metadata of each dispatch of a room."""
        ...


class FakeWorld:
    """The fake."""

    def __init__(self) -> None:
        self.fake = FakeRooms(now=lambda: datetime.now(UTC))
        self.rooms: Rooms = self.fake

    async def join(self, room: str, identity: str) -> None:
        """Let a browser join."""
        self.fake.join(room, identity, ParticipantKind.BROWSER)

    async def join_as_bridges_do(self, room: str, identity: str) -> None:
        """Let somebody join who may send data."""
        self.fake.join(room, identity, ParticipantKind.SIP)

    async def dispatches(self, room: str) -> list[tuple[str, str]]:
        """List the dispatches of a room."""
        return [(one.agent_name, one.metadata) for one in self.fake.rooms[room].dispatches]


class RealWorld:
    """LiveKit."""

    def __init__(self, media: MediaServers) -> None:
        self.url = media.livekit_url
        self.session = LiveKitSession(url=self.url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
        self.rooms: Rooms = LiveKitRooms(
            self.session, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET
        )
        self.joined: list[rtc.Room] = []

    async def join(self, room: str, identity: str) -> None:
        """Let a browser join."""
        await self._connect(self.rooms.token(room, identity, timedelta(minutes=1)))

    async def join_as_bridges_do(self, room: str, identity: str) -> None:
        """Let somebody join who may send data."""
        token = api.AccessToken(LIVEKIT_KEY, LIVEKIT_SECRET).with_identity(identity)
        may = api.VideoGrants(room_join=True, room=room)
        await self._connect(token.with_grants(may).to_jwt())

    async def _connect(self, token: str) -> None:
        joined = rtc.Room()
        await joined.connect(self.url, token)
        self.joined.append(joined)

    async def dispatches(self, room: str) -> list[tuple[str, str]]:
        """List the dispatches of a room."""
        listed = await self.session.client.agent_dispatch.list_dispatch(room)
        return [(one.agent_name, one.metadata) for one in listed]

    async def close(self) -> None:
        """Leave every room."""
        for room in self.joined:
            await room.disconnect()
        await self.session.close()


@asynccontextmanager
async def _world(kind: str, request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    if kind == "fake":
        yield FakeWorld()
        return
    real = RealWorld(request.getfixturevalue("media"))
    try:
        yield real
    finally:
        await real.close()


@pytest_asyncio.fixture(params=["fake", "livekit"])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    """Give the fake, and then LiveKit."""
    async with _world(request.param, request) as found:
        yield found


@pytest.fixture
def room() -> str:
    """Name a room that nobody has."""
    return f"{PREFIX}{secrets.token_hex(8)}"


class TestRooms:
    """The promises."""

    async def test_a_room_is_made_with_the_agents_dispatch_inside(
        self, world: World, room: str
    ) -> None:
        made = await world.rooms.create(room, DISPATCH)
        assert made.name == room and made.participants == 0
        assert abs(datetime.now(UTC) - made.created_at) < timedelta(seconds=5)
        assert await world.dispatches(room) == [("telephony", '{"attempt": 1}')]

    async def test_making_it_again_changes_nothing(self, world: World, room: str) -> None:
        made = await world.rooms.create(room, DISPATCH)
        again = await world.rooms.create(room, Dispatch("telephony", "other"))
        assert again.created_at == made.created_at
        assert await world.dispatches(room) == [("telephony", '{"attempt": 1}')]

    async def test_dispatching_again_replaces_the_dispatch(self, world: World, room: str) -> None:
        await world.rooms.create(room, DISPATCH)
        await world.rooms.redispatch(room, Dispatch("telephony", "second"))
        assert await world.dispatches(room) == [("telephony", "second")]

    async def test_asking_once_more_takes_no_dispatch_back(self, world: World, room: str) -> None:
        await world.rooms.create(room, DISPATCH)
        await world.rooms.ask_once_more(room, Dispatch("telephony", "second"))
        asked = [("telephony", '{"attempt": 1}'), ("telephony", "second")]
        assert sorted(await world.dispatches(room)) == sorted(asked)

    async def test_asking_once_more_makes_no_room(self, world: World, room: str) -> None:
        await world.rooms.ask_once_more(room, DISPATCH)
        assert await world.rooms.list(room) == []

    async def test_dispatching_again_makes_a_room_that_is_gone(
        self, world: World, room: str
    ) -> None:
        await world.rooms.redispatch(room, DISPATCH)
        assert await world.dispatches(room) == [("telephony", '{"attempt": 1}')]

    async def test_lists_hold_the_rooms_of_the_prefix_only(self, world: World, room: str) -> None:
        await world.rooms.create(room, None)
        await world.rooms.create(f"other-{room}", None)
        names = {found.name for found in await world.rooms.list(PREFIX)}
        assert room in names and f"other-{room}" not in names

    async def test_a_deleted_room_is_gone_with_all_that_were_in_it(
        self, world: World, room: str
    ) -> None:
        await world.rooms.create(room, None)
        await world.join(room, "browser")
        await world.rooms.delete(room)
        assert room not in {found.name for found in await world.rooms.list(PREFIX)}
        assert await world.rooms.participants(room) == []
        assert not await world.rooms.served(room)

    async def test_a_room_can_be_made_anew_after_it_was_deleted(
        self, world: World, room: str
    ) -> None:
        await world.rooms.create(room, DISPATCH)
        await world.rooms.delete(room)
        await world.rooms.create(room, Dispatch("telephony", "anew"))
        assert await world.dispatches(room) == [("telephony", "anew")]

    async def test_what_is_not_there_can_be_deleted_and_removed(
        self, world: World, room: str
    ) -> None:
        await world.rooms.delete(room)
        await world.rooms.remove_participant(room, "callee")
        assert await world.rooms.participants(room) == []
        await world.rooms.create(room, None)
        await world.rooms.remove_participant(room, "callee")

    async def test_a_participant_is_listed_until_it_is_removed(
        self, world: World, room: str
    ) -> None:
        await world.rooms.create(room, None)
        await world.join(room, "browser")

        async def who() -> list[tuple[str, ParticipantKind]]:
            return [(one.identity, one.kind) for one in await world.rooms.participants(room)]

        await until(who, what="the browser is in the room")
        assert await who() == [("browser", ParticipantKind.BROWSER)]
        await world.rooms.remove_participant(room, "browser")
        await until(_is_empty(world, room), what="the browser is out of the room")

    async def test_who_is_there_answers_and_who_left_or_never_came_is_not_known(
        self, world: World, room: str
    ) -> None:
        assert await world.rooms.hold(room, "browser") is Hold.UNKNOWN
        await world.rooms.create(room, None)
        await world.join_as_bridges_do(room, "browser")
        await until(_holds(world, room, Hold.THERE), what="it answers")
        await world.rooms.remove_participant(room, "browser")
        await until(_holds(world, room, Hold.UNKNOWN), what="nobody does")

    async def test_a_room_that_a_server_holds_is_served(self, world: World, room: str) -> None:
        await world.rooms.create(room, None)
        assert await world.rooms.served(room)


def _holds(world: World, room: str, hold: Hold) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return await world.rooms.hold(room, "browser") is hold

    return holds


def _is_empty(world: World, room: str) -> Callable[[], Awaitable[bool]]:
    async def empty() -> bool:
        return await world.rooms.participants(room) == []

    return empty


class TestTokens:
    """Participant tokens of LiveKit."""

    def _rooms(self) -> LiveKitRooms:
        session = LiveKitSession(
            url="ws://127.0.0.1:1", api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET
        )
        return LiveKitRooms(session, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)

    def test_a_token_opens_one_room_and_lets_a_microphone_in(self) -> None:
        token = self._rooms().token("tel-att_1", "browser", timedelta(minutes=10))
        claims = jwt.decode(token, LIVEKIT_SECRET, algorithms=["HS256"])  # pyright: ignore[reportUnknownMemberType]
        video = claims["video"]
        assert claims["sub"] == "browser" and video["room"] == "tel-att_1" and video["roomJoin"]
        assert video["canPublishSources"] == ["microphone"]
        assert video["canPublishData"] is False
        assert not any(
            video.get(power) for power in ("roomAdmin", "roomCreate", "roomList", "roomRecord")
        )
        assert 0 < claims["exp"] - claims["nbf"] <= 660

    async def test_a_token_does_not_make_a_room(self, media: MediaServers) -> None:
        real = RealWorld(media)
        try:
            with pytest.raises(rtc.ConnectError):
                await real.join(f"{PREFIX}never-made", "browser")
            assert await real.rooms.participants(f"{PREFIX}never-made") == []
        finally:
            await real.close()


async def test_without_livekit_everything_is_unavailable() -> None:
    session = LiveKitSession(
        url=f"ws://127.0.0.1:{free_port()}", api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET
    )
    rooms = LiveKitRooms(session, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
    try:
        for ask in (
            rooms.create("r", DISPATCH),
            rooms.redispatch("r", DISPATCH),
            rooms.ask_once_more("r", DISPATCH),
            rooms.remove_participant("r", "callee"),
            rooms.delete("r"),
            rooms.served("r"),
            rooms.list(PREFIX),
            rooms.participants("r"),
        ):
            with pytest.raises(Unavailable) as caught:
                await ask
            assert caught.value.code == "media_server_unavailable"
        assert await rooms.hold("r", "callee") is Hold.UNKNOWN
    finally:
        await session.close()


async def test_keys_that_livekit_does_not_know_are_no_knowledge_either(
    media: MediaServers,
) -> None:
    session = LiveKitSession(url=media.livekit_url, api_key=LIVEKIT_KEY, api_secret="w" * 40)
    rooms = LiveKitRooms(session, api_key=LIVEKIT_KEY, api_secret="w" * 40)
    try:
        with pytest.raises(Unavailable):
            await rooms.list(PREFIX)
    finally:
        await session.close()
