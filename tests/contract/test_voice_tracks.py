"""What the agent's voice leaves in its process once the call is over: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from livekit import api, rtc

from agent.hanging_up import hang_up
from agent.sound import Captions, Mouth
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers
from tests.kit.threads import AUDIO_SOURCE, threads
from tests.kit.until import until


def sources() -> int:
    """Count the sources of sound that this process keeps."""
    return threads()[AUDIO_SOURCE]


def mouth() -> Mouth:
    """Make a mouth as a phone call has it."""
    return Mouth(Captions(), heard=lambda samples, at: None, cut=lambda at: None, first_words=True)


@pytest_asyncio.fixture
async def livekit(media: MediaServers) -> AsyncGenerator[api.LiveKitAPI]:
    """Give livekit-server's API."""
    async with api.LiveKitAPI(media.livekit_url, LIVEKIT_KEY, LIVEKIT_SECRET) as client:
        yield client


@asynccontextmanager
async def joined(media: MediaServers, livekit: api.LiveKitAPI) -> AsyncGenerator[rtc.Room]:
    """Be in a room of one's own."""
    name = f"voice-{secrets.token_hex(8)}"
    await livekit.room.create_room(api.CreateRoomRequest(name=name))
    token = api.AccessToken(LIVEKIT_KEY, LIVEKIT_SECRET).with_identity("agent")
    token = token.with_grants(api.VideoGrants(room_join=True, room=name))
    room = rtc.Room()
    await room.connect(media.livekit_url, token.to_jwt())
    try:
        yield room
    finally:
        await room.disconnect()


async def spoken_in(room: rtc.Room) -> Mouth:
    """Say something in a room."""
    voice = mouth()
    await voice.publish(room)
    voice.open()
    await voice.capture_frame(rtc.AudioFrame.create(24_000, 1, 2_400))
    return voice


async def test_a_room_that_is_deleted_at_the_call_s_end_keeps_no_thread_of_the_voice(
    media: MediaServers, livekit: api.LiveKitAPI
) -> None:
    before = sources()
    for _ in range(3):
        async with joined(media, livekit) as room:
            voice = await spoken_in(room)
            await until(lambda: sources() > before, what="the voice has a thread")
            await voice.withdraw()
            assert await hang_up(livekit.room, room.name)
            await voice.aclose()
            await until(lambda room=room: not room.isconnected(), what="the room is gone")
            # The room itself is still known here: nothing waits for the garbage collector.
            await until(lambda: sources() == before, what="the voice's thread has ended")


async def test_a_room_that_the_agent_leaves_keeps_no_thread_of_the_voice(
    media: MediaServers, livekit: api.LiveKitAPI
) -> None:
    before = sources()
    async with joined(media, livekit) as room:
        voice = await spoken_in(room)
        await until(lambda: sources() > before, what="the voice has a thread")
        still_known = [one.track for one in room.local_participant.track_publications.values()]
        await voice.aclose()
        await until(lambda: sources() == before, what="the voice's thread has ended")
        assert room.isconnected() and len(still_known) == 2 and all(still_known)


async def test_a_track_whose_publishing_nobody_waited_for_is_withdrawn_all_the_same(
    media: MediaServers, livekit: api.LiveKitAPI
) -> None:
    before = sources()
    async with joined(media, livekit) as room:
        voice = mouth()
        publishing = asyncio.create_task(voice.publish(room))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        publishing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await publishing
        await voice.aclose()
        assert not room.local_participant.track_publications
        await until(lambda: sources() == before, what="the voice's thread has ended")


@pytest.mark.parametrize("times", [1, 2])
async def test_a_voice_that_was_never_in_a_room_is_put_away(times: int) -> None:
    before = sources()
    voice = mouth()
    assert sources() == before + 1
    for _ in range(times):
        await voice.aclose()
    await until(lambda: sources() == before, what="the voice's thread has ended")
