"""Recognise speech for many clients with one pair of ears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sandbox.speech.audio import decode
from sandbox.speech.moonshine import SAMPLE_RATE
from sandbox.speech.narrator import Busy
from sandbox.speech.onnx_model import Floats


class Ears(Protocol):
    """Whatever can recognise speech."""

    @property
    def name(self) -> str: ...

    def recognise(self, audio: Floats) -> str: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in an upload of so many seconds."""

    text: str
    seconds: float


class Listener:
    """The ears, with a thread of their own.

    Errors: Busy from ``listen`` when ``max_waiting`` uploads wait, BadAudio when one is not audio.
    """

    def __init__(self, load: Callable[[], Ears], *, max_waiting: int) -> None:
        self._load = load
        self._max_waiting = max_waiting
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "ears")
        self._ears: Ears | None = None

    @property
    def engine(self) -> str | None:
        """Name the engine in use, once there is one."""
        return self._ears.name if self._ears else None

    async def start(self) -> None:
        """Load the engine and let it listen once, so that the first client does not wait for it."""
        self._ears = await asyncio.get_running_loop().run_in_executor(self._thread, self._warm_up)

    def close(self) -> None:
        """Let the upload that is being recognised be the last."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def listen(self, data: bytes) -> Heard:
        """Recognise what is said in an uploaded file."""
        assert self._ears is not None, "listen before start"
        if self._waiting >= self._max_waiting:
            raise Busy("too many uploads wait to be recognised")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, _recognise, self._ears, data)
        finally:
            self._waiting -= 1

    def _warm_up(self) -> Ears:
        ears = self._load()
        noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
        ears.recognise(noise * np.float32(0.1))
        return ears


def _recognise(ears: Ears, data: bytes) -> Heard:
    audio = decode(data, rate=SAMPLE_RATE)
    return Heard(ears.recognise(audio), audio.size / SAMPLE_RATE)
