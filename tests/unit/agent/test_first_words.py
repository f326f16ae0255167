"""The first words' own way: ahead of their time, but never further than the bridge can hold."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit import rtc

from agent import first_words
from agent.first_words import AHEAD, FirstWords, is_quiet, pieces

RATE = 24_000


class Source:
    """Takes pieces as the media library does, and plays them by the clock."""

    def __init__(self) -> None:
        self.taken: list[rtc.AudioFrame] = []
        self.furthest = 0.0
        self._ends = 0.0

    @property
    def queued_duration(self) -> float:
        return max(self._ends - asyncio.get_running_loop().time(), 0.0)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        assert frame.samples_per_channel == RATE // 100
        self.taken.append(frame)
        self._ends = asyncio.get_running_loop().time() + self.queued_duration + frame.duration
        self.furthest = max(self.furthest, self.queued_duration)

    async def wait_for_playout(self) -> None:
        await asyncio.sleep(self.queued_duration)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    taking = Source()

    def made(*_: Any, **__: Any) -> Source:
        return taking

    monkeypatch.setattr(first_words.rtc, "AudioSource", made)
    return taking


def frame(seconds: float, value: int = 1) -> rtc.AudioFrame:
    """Give a frame of one value."""
    samples = round(RATE * seconds)
    return rtc.AudioFrame(value.to_bytes(2, "little") * samples, RATE, 1, samples)


async def test_the_beginning_is_sent_at_once_and_the_rest_at_the_pace_of_speech(
    source: Source,
) -> None:
    first = FirstWords(RATE)
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        await first.capture_frame(frame(0.04))

    took = asyncio.get_running_loop().time() - began
    assert took >= 0.4 - AHEAD - 0.01
    # More than the three frames that the bridge waits for, less than the five that it can hold.
    assert 0.06 < source.furthest <= AHEAD + 0.001
    assert len(source.taken) == 40


async def test_what_is_said_leaves_whole_and_its_end_does_not_stay_in_the_encoder(
    source: Source,
) -> None:
    first = FirstWords(RATE)
    await first.capture_frame(frame(0.025))
    await first.wait_for_playout()

    sent = b"".join(bytes(piece.data.cast("b")) for piece in source.taken)
    assert sent[: 2 * round(RATE * 0.025)] == frame(0.025).data.tobytes()
    assert not any(sent[2 * round(RATE * 0.025) :])
    assert len(source.taken) % 2 == 0


async def test_warming_up_leaves_nothing_in_front_of_the_first_word(source: Source) -> None:
    first = FirstWords(RATE)
    await first.warm_up()

    assert first.queued_duration == pytest.approx(0, abs=0.005)
    assert len(source.taken) % 2 == 0
    assert not any(bytes(piece.data.cast("b")) != bytes(480) for piece in source.taken)


def test_a_frame_is_cut_into_whole_pieces_and_nothing_of_it_is_lost() -> None:
    cut = list(pieces(frame(0.025, value=7)))

    assert [piece.samples_per_channel for piece in cut] == [240, 240, 240]
    assert b"".join(piece.data.tobytes() for piece in cut).rstrip(b"\0").count(7) == 600


async def test_what_is_sent_elsewhere_follows_the_first_words(source: Source) -> None:
    first = FirstWords(RATE)
    await first.capture_frame(frame(0.04))
    await first.capture_frame(frame(0.04))
    await first.nearly_heard()

    assert first.queued_duration <= 0.041
    await first.nearly_heard()


def test_a_pause_is_told_from_a_word() -> None:
    assert is_quiet(frame(0.04, value=100))
    assert not is_quiet(frame(0.04, value=5000))
