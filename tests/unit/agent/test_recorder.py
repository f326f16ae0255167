"""Both sides of a call end up where they were heard."""

from __future__ import annotations

import asyncio
import errno
import stat
import threading
import time
import tracemalloc
import wave
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from agent.recorder import SAMPLE_RATE, Recorder
from tests.kit.until import until


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tone(seconds: float, value: int) -> npt.NDArray[np.int16]:
    """Make samples that are easy to find again."""
    return np.full(int(seconds * SAMPLE_RATE), value, dtype=np.int16)


def read(path: Path) -> npt.NDArray[np.int16]:
    """Read a recording as an array of two columns."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        assert file.getframerate() == SAMPLE_RATE
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).reshape(-1, 2)


@pytest.mark.asyncio
async def test_the_callee_is_left_the_agent_right_each_at_its_moment(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "call" / "attempt.wav", clock=clock)
    recorder.start()
    clock.now += 0.5
    recorder.callee(tone(0.05, 7))
    recorder.agent(tone(0.05, 9), clock.now + 0.1)
    clock.now += 1.5
    recording = await recorder.finish()
    assert recording is not None
    assert recording.duration == pytest.approx(2.0)  # pyright: ignore[reportUnknownMemberType]
    audio = read(recording.path)
    left, right = np.flatnonzero(audio[:, 0]), np.flatnonzero(audio[:, 1])
    assert (left[0], left[-1]) == (0.45 * SAMPLE_RATE, 0.5 * SAMPLE_RATE - 1)
    assert (right[0], right[-1]) == (0.6 * SAMPLE_RATE, 0.65 * SAMPLE_RATE - 1)


@pytest.mark.asyncio
async def test_jitter_of_delivery_does_not_tear_speech_apart(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "a.wav", clock=clock)
    recorder.start()
    for late in (0.05, 0.12, 0.15, 0.2, 0.28):
        clock.now = 100.0 + late
        recorder.callee(tone(0.05, 5))
    clock.now = 101.0
    recording = await recorder.finish()
    assert recording is not None
    heard = np.flatnonzero(read(recording.path)[:, 0])
    assert len(heard) == 0.25 * SAMPLE_RATE
    assert heard[-1] - heard[0] == len(heard) - 1


@pytest.mark.asyncio
async def test_what_the_agent_was_cut_off_from_saying_is_not_recorded(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path / "a.wav", clock=clock)
    recorder.start()
    recorder.agent(tone(0.2, 9), 100.0)
    recorder.cut_agent(100.1)
    clock.now = 101.0
    recording = await recorder.finish()
    assert recording is not None
    assert np.flatnonzero(read(recording.path)[:, 1])[-1] == 0.1 * SAMPLE_RATE - 1


@pytest.mark.asyncio
async def test_a_kill_keeps_what_was_flushed_before(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.wav")
    recorder.start()
    recorder.agent(tone(0.3, 9), recorder._clock())  # pyright: ignore[reportPrivateUsage]
    await asyncio.sleep(1.3)
    # Nothing is finished: the file is read as a killed process would leave it.
    assert np.count_nonzero(read(tmp_path / "a.wav")[:, 1]) == 0.3 * SAMPLE_RATE
    await recorder.finish()


@pytest.mark.asyncio
async def test_a_call_that_was_not_answered_leaves_no_recording(tmp_path: Path) -> None:
    assert await Recorder(tmp_path / "a.wav").finish() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.fault("F35")
@pytest.mark.asyncio
async def test_a_disk_that_refuses_ends_the_recording_and_not_the_call(tmp_path: Path) -> None:
    blocked = tmp_path / "in-the-way"
    blocked.write_text("")
    recorder = Recorder(blocked / "a.wav")
    recorder.start()
    recorder.callee(tone(0.05, 5))
    assert await recorder.finish() is None
    assert recorder.failed is not None


class FullDisk:
    """A file on a disk that takes nothing more."""

    closed = False

    def write(self, _: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")

    def close(self) -> None:
        self.closed = True
        raise OSError(errno.ENOSPC, "full")


@pytest.mark.fault("F35")
async def test_a_recording_that_failed_holds_nothing_however_long_the_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.recorder._FLUSH_EVERY", 0.01)
    clock, disk = Clock(), FullDisk()
    recorder = Recorder(tmp_path / "a.wav", clock=clock)
    recorder.start()
    file = recorder._file  # pyright: ignore[reportPrivateUsage]
    assert file is not None
    file.close()
    recorder._file = cast("Any", disk)  # pyright: ignore[reportPrivateUsage]

    def held() -> int:
        return len(recorder._window)  # pyright: ignore[reportPrivateUsage]

    await until(lambda: recorder.failed and not held())
    clock.now += 3600
    recorder.callee(tone(0.05, 5))
    recorder.agent(tone(0.05, 5), clock.now)
    recorder.cut_agent(clock.now)
    tracemalloc.start()
    try:
        assert await recorder.finish() is None
        assert tracemalloc.get_traced_memory()[1] < 60 * SAMPLE_RATE * 4
    finally:
        tracemalloc.stop()
    assert not held()
    assert disk.closed


@pytest.mark.asyncio
async def test_the_last_write_waits_for_a_flush_that_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.recorder._FLUSH_EVERY", 0.01)
    recorder = Recorder(tmp_path / "a.wav")
    real = recorder._write  # pyright: ignore[reportPrivateUsage]
    under_way = threading.Event()
    order: list[str] = []

    def write(frames: bytes) -> None:
        order.append("in")
        under_way.set()
        time.sleep(0.1)
        real(frames)
        order.append("out")

    monkeypatch.setattr(recorder, "_write", write)
    recorder.start()
    await asyncio.to_thread(under_way.wait)
    await recorder.finish()
    assert order == ["in", "out"] * (len(order) // 2)


async def test_a_recording_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "recordings" / "call.wav"
    recorder = Recorder(path)
    recorder.start()
    await recorder.finish()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
