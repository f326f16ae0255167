"""An event of the media library wakes who waits for it, and nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.rtc._proto import ffi_pb2  # pyright: ignore[reportPrivateUsage]

from agent.media_events import Events
from tests.kit.until import until


def frame_of(stream: int) -> Any:
    """Make the event of a frame that was received."""
    event = ffi_pb2.FfiEvent()
    event.audio_stream_event.stream_handle = stream
    return event


def captured(number: int) -> Any:
    """Make the answer to a frame that was sent."""
    event = ffi_pb2.FfiEvent()
    event.capture_audio_frame.async_id = number
    return event


def of_room(number: int) -> Any:
    """Make an event of a room."""
    event = ffi_pb2.FfiEvent()
    event.room_event.room_handle = number
    return event


def is_sound(event: Any) -> bool:
    """Tell whether the event is about received sound, as every reader of sound subscribes."""
    return event.WhichOneof("message") == "audio_stream_event"


@pytest.mark.asyncio
async def test_a_frame_wakes_the_call_that_it_is_for() -> None:
    events: Events[Any] = Events()
    queues = {number: events.subscribe(filter_fn=is_sound) for number in (1, 2)}

    async def read(number: int) -> list[int]:
        heard: list[int] = []
        while len(heard) < 3:
            event = await queues[number].wait_for(
                lambda e: e.audio_stream_event.stream_handle == number
            )
            heard.append(event.audio_stream_event.stream_handle)
        return heard

    readers = {number: asyncio.create_task(read(number)) for number in (1, 2)}
    await asyncio.sleep(0)
    for _ in range(3):
        events.put(frame_of(1))
    assert await readers[1] == [1, 1, 1]
    assert queues[2].empty() and not readers[2].done()
    for _ in range(3):
        events.put(frame_of(2))
    assert await readers[2] == [2, 2, 2]


@pytest.mark.asyncio
async def test_what_comes_before_anybody_says_what_he_waits_for_is_kept() -> None:
    events: Events[Any] = Events()
    queue = events.subscribe()
    for number in (7, 8):
        events.put(captured(number))
    found = await queue.wait_for(lambda e: e.capture_audio_frame.async_id == 8)
    assert found.capture_audio_frame.async_id == 8


@pytest.mark.asyncio
async def test_a_room_hears_of_rooms_and_not_of_frames_that_others_sent() -> None:
    events: Events[Any] = Events()
    room = events.subscribe(filter_fn=lambda e: not is_sound(e))
    gone = events.subscribe()
    events.unsubscribe(gone)
    for event in (frame_of(1), captured(2), of_room(3)):
        events.put(event)
    await until(lambda: not room.empty())
    assert room.get_nowait().room_event.room_handle == 3
    assert room.empty() and gone.empty()


@pytest.mark.asyncio
async def test_a_call_that_is_over_is_in_nobodys_way() -> None:
    events: Events[Any] = Events()
    ended = asyncio.new_event_loop()
    events.subscribe(loop=ended)
    ended.close()
    queue = events.subscribe()
    events.put(of_room(1))
    assert (await queue.get()).room_event.room_handle == 1
