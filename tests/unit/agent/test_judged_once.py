"""One stream of voice activity for all who listen to a call."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc
from livekit.agents import vad

from agent.speech.judged_once import JudgedOnce
from tests.kit.until import until


class Stream(vad.VADStream):
    """Tells of every frame, and fails when told to."""

    def __init__(self, detector: Detector) -> None:
        self.frames = 0
        super().__init__(detector)

    async def _main_task(self) -> None:
        async for piece in self._input_ch:
            if not isinstance(piece, rtc.AudioFrame):
                continue
            if piece.samples_per_channel == 1:
                raise RuntimeError("the model failed")
            self.frames += 1
            self._event_ch.send_nowait(
                vad.VADEvent(
                    vad.VADEventType.INFERENCE_DONE, self.frames, 0.0, 0.0, 0.0, speaking=True
                )
            )


class Detector(vad.VAD):
    """Counts its streams."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.032))
        self.streams: list[Stream] = []

    def stream(self) -> Stream:
        self.streams.append(Stream(self))
        return self.streams[-1]


def frame(samples: int = 160) -> rtc.AudioFrame:
    """Make a frame."""
    return rtc.AudioFrame(bytes(2 * samples), 16_000, 1, samples)


async def heard(stream: vad.VADStream, count: int) -> list[int]:
    """Take so many events."""
    return [(await stream.__anext__()).samples_index for _ in range(count)]


@pytest.mark.asyncio
async def test_two_listeners_hear_what_is_judged_once() -> None:
    detector = Detector()
    shared = JudgedOnce(detector, utterance_over=lambda: None)
    first, second = shared.stream(), shared.stream()
    for _ in range(3):
        first.push_frame(frame())
        second.push_frame(frame())
    assert await heard(first, 3) == await heard(second, 3) == [1, 2, 3]
    assert [stream.frames for stream in detector.streams] == [3]
    await first.aclose()
    await second.aclose()


@pytest.mark.asyncio
async def test_when_the_one_who_feeds_it_leaves_the_next_one_does() -> None:
    detector = Detector()
    shared = JudgedOnce(detector, utterance_over=lambda: None)
    first, second = shared.stream(), shared.stream()
    await first.aclose()
    second.push_frame(frame())
    assert await heard(second, 1) == [1]
    await second.aclose()
    third = shared.stream()
    third.push_frame(frame())
    assert await heard(third, 1) == [1]
    assert len(detector.streams) == 2
    await third.aclose()


@pytest.mark.asyncio
async def test_a_model_that_fails_is_told_to_all_and_is_asked_anew() -> None:
    detector = Detector()
    shared = JudgedOnce(detector, utterance_over=lambda: None)
    first, second = shared.stream(), shared.stream()
    first.push_frame(frame(1))
    for listener in (first, second):
        with pytest.raises(RuntimeError, match="the model failed"):
            await listener.__anext__()
        await listener.aclose()
    again = shared.stream()
    again.push_frame(frame())
    assert await heard(again, 1) == [1]
    await again.aclose()


@pytest.mark.asyncio
async def test_a_listener_whose_sound_ends_hears_the_end_and_stops_nobody_else() -> None:
    detector = Detector()
    shared = JudgedOnce(detector, utterance_over=lambda: None)
    first, second = shared.stream(), shared.stream()
    first.end_input()
    with pytest.raises(StopAsyncIteration):
        await first.__anext__()
    await first.aclose()
    second.push_frame(frame())
    assert await heard(second, 1) == [1]
    await second.aclose()
    await until(lambda: len(asyncio.all_tasks()) == 1)


@pytest.mark.asyncio
async def test_the_end_of_an_utterance_is_noted_before_anybody_hears_of_it() -> None:
    detector = Told()
    told: list[str] = []
    shared = JudgedOnce(detector, utterance_over=lambda: told.append("over"))
    listener = shared.stream()
    kinds = vad.VADEventType
    for kind in (kinds.START_OF_SPEECH, kinds.END_OF_SPEECH):
        detector.source.tell(vad.VADEvent(kind, 1, 0.0, 0.0, 0.0))
        event = await listener.__anext__()
        told.append(event.type.value)
    assert told == ["start_of_speech", "over", "end_of_speech"]
    await listener.aclose()


@pytest.mark.asyncio
async def test_that_nobody_speaks_is_told_once_until_something_happens() -> None:
    detector = Told()
    shared = JudgedOnce(detector, utterance_over=lambda: None)
    listener = shared.stream()
    kinds = vad.VADEventType
    said = [(kinds.INFERENCE_DONE, 0.0)] * 5
    said += [(kinds.INFERENCE_DONE, 0.1), (kinds.START_OF_SPEECH, 0.1), (kinds.END_OF_SPEECH, 0.0)]
    said += [(kinds.INFERENCE_DONE, 0.0)] * 5
    for number, (kind, speech) in enumerate(said):
        detector.source.tell(
            vad.VADEvent(kind, number, 0.0, 0.0, 0.0, raw_accumulated_speech=speech)
        )
    assert await heard(listener, 5) == [0, 5, 6, 7, 8]
    detector.source.tell(vad.VADEvent(kinds.START_OF_SPEECH, 99, 0.0, 0.0, 0.0))
    assert await heard(listener, 1) == [99]
    await listener.aclose()


class Told(vad.VAD):
    """A detector whose one stream says what it is told to."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.032))

    def stream(self) -> Telling:
        self.source = Telling(self)
        return self.source


class Telling(vad.VADStream):
    """Says what it is told to."""

    async def _main_task(self) -> None:
        async for _ in self._input_ch:
            pass

    def tell(self, event: vad.VADEvent) -> None:
        """Say this."""
        self._event_ch.send_nowait(event)
