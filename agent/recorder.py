"""Keeps the audio of a call as it was heard: callee on the left, agent on the right.

Both sides are laid on one clock that starts at the answer. What is older than a moment goes to the
disk and the header is put right with it, so that a kill loses no more than the last seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from agent.logs import get_logger

SAMPLE_RATE: Final = 16_000
_CALLEE: Final = 0
_AGENT: Final = 1
#: Jumps smaller than this are jitter of delivery, not of speech.
_JITTER: Final = 0.15
#: What is younger than this may still be cut or come in late.
_HOLD: Final = 0.6
_FLUSH_EVERY: Final = 1.0
_HEADER_BYTES: Final = 44

Samples = npt.NDArray[np.int16]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """A finished recording.

    Units: ``duration`` in seconds.
    """

    path: Path
    duration: float
    sample_rate: int = SAMPLE_RATE


class Recorder:
    """Records one call, from start() to finish().

    Units: all times are monotonic seconds. Errors: none; a disk that refuses ends the recording,
    and ``failed`` says so.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._zero: float | None = None
        self._window: npt.NDArray[np.int16] = np.zeros((SAMPLE_RATE * 4, 2), dtype=np.int16)
        self._base = 0
        self._cursor: list[int | None] = [None, None]
        self._file: IO[bytes] | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self.failed: str | None = None

    def start(self) -> None:
        """Begin now: this moment is the recording's zero."""
        if self._zero is not None:
            return
        self._zero = self._clock()
        try:
            # A talk is nobody's business but that of the user who records it.
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.fdopen(_private(self._path), "wb")
            self._file.write(_header(0))
        except OSError as error:
            self._fail(error)
            return
        self._flushing = asyncio.create_task(self._flush_for_ever())

    def callee(self, samples: Samples) -> None:
        """Add what just came in from the callee."""
        if self._under_way:
            ends = self._index(self._clock())
            self._add(_CALLEE, ends - len(samples), samples)

    def agent(self, samples: Samples, starts: float) -> None:
        """Add what the agent says, from the moment at which it is heard."""
        if self._under_way:
            self._add(_AGENT, self._index(starts), samples)

    def cut_agent(self, at: float) -> None:
        """Take back what the agent was going to say after this moment."""
        if not self._under_way:
            return
        index = max(self._index(at) - self._base, 0)
        self._window[index:, _AGENT] = 0
        self._cursor[_AGENT] = None

    async def finish(self) -> Recording | None:
        """Write what is left and close; None where nothing was recorded."""
        if self._zero is None:
            return None
        if self._flushing is not None:
            self._flushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flushing
        if self._writing is not None:
            # The thread of a flush does not stop with the task that waited for it.
            await self._writing
        if self.failed is None:
            await asyncio.to_thread(self._write, self._take(self._clock()))
        await asyncio.to_thread(self._close)
        if self.failed is not None:
            return None
        return Recording(self._path, self._base / SAMPLE_RATE)

    @property
    def _under_way(self) -> bool:
        return self._zero is not None and self.failed is None

    def _index(self, moment: float) -> int:
        assert self._zero is not None
        return round((moment - self._zero) * SAMPLE_RATE)

    def _add(self, channel: int, index: int, samples: Samples) -> None:
        cursor = self._cursor[channel]
        if cursor is not None and abs(index - cursor) < _JITTER * SAMPLE_RATE:
            index = cursor
        self._cursor[channel] = index + len(samples)
        late = max(self._base - index, 0)
        start = index + late - self._base
        samples = samples[late:]
        needed = start + len(samples)
        if needed > SAMPLE_RATE * 60:
            return
        if needed > len(self._window):
            more = np.zeros((needed + SAMPLE_RATE - len(self._window), 2), dtype=np.int16)
            self._window = np.concatenate([self._window, more])
        self._window[start:needed, channel] = samples

    def _take(self, until: float) -> bytes:
        count = max(self._index(until) - self._base, 0)
        if count > len(self._window):
            more = np.zeros((count - len(self._window), 2), dtype=np.int16)
            self._window = np.concatenate([self._window, more])
        taken = self._window[:count].tobytes()
        self._window = np.concatenate([self._window[count:], np.zeros((count, 2), dtype=np.int16)])
        self._base += count
        return taken

    async def _flush_for_ever(self) -> None:
        while self.failed is None:
            await asyncio.sleep(_FLUSH_EVERY)
            # A flush that is cut off half-way would leave the file and the window at odds.
            frames = self._take(self._clock() - _HOLD)
            self._writing = asyncio.ensure_future(asyncio.to_thread(self._write, frames))
            await asyncio.shield(self._writing)
        # Nobody takes from it any more, and the call may last for hours.
        self._window = self._window[:0].copy()

    def _write(self, frames: bytes) -> None:
        if self._file is None:
            return
        try:
            self._file.write(frames)
            end = self._file.tell()
            self._file.seek(0)
            self._file.write(_header(end - _HEADER_BYTES))
            self._file.seek(end)
            self._file.flush()
        except OSError as error:
            self._fail(error)

    def _close(self) -> None:
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            if self.failed is None:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failed = type(error).__name__
        log.warning("recording_failed", error=self.failed, errno=error.errno)


def _private(path: Path) -> int:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.fchmod(opened, 0o600)  # also where the file was there before
    return opened


def _header(data_bytes: int) -> bytes:
    """Write a RIFF header for 16-bit stereo PCM."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + data_bytes,
        b"WAVE",
        b"fmt ",
        16,
        1,
        2,
        SAMPLE_RATE,
        SAMPLE_RATE * 4,
        4,
        16,
        b"data",
        data_bytes,
    )
