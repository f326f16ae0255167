"""Speak texts for many clients with one voice engine.

One thread synthesises, at a lower priority than the rest of the machine, so that neither
recognition nor anybody's call stutters for it. Clients that ask for the same sentence at the same
time share one synthesis.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from sandbox.speech.audio import pcm16
from sandbox.speech.audio_cache import AudioCache, Utterance
from sandbox.speech.kokoro import SAMPLE_RATE
from sandbox.speech.onnx_model import Floats
from sandbox.speech.spoken_text import sentences, speakable

_PAUSE_SECONDS = 0.25
_PAUSE: Final = bytes(2 * round(_PAUSE_SECONDS * SAMPLE_RATE))
_LOWER_PRIORITY = 3


class VoiceEngine(Protocol):
    """Whatever can say a sentence."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def speak(self, text: str, *, voice: str, speed: float) -> Floats: ...


class Busy(RuntimeError):
    """Too many requests wait for an engine."""


class Narrator:
    """The voices, with their thread and their memory.

    Errors: Busy from ``narrate`` when ``max_waiting`` sentences wait already.
    """

    def __init__(
        self, load: Callable[[], VoiceEngine], *, cache: AudioCache, max_waiting: int
    ) -> None:
        self._load = load
        self._cache = cache
        self._max_waiting = max_waiting
        self._thread = ThreadPoolExecutor(1, "voice", initializer=_lower_priority)
        # One at a time, so that sentences reach the voice in the order they were asked for.
        self._disk = ThreadPoolExecutor(1, "voice-cache")
        self._engine: VoiceEngine | None = None
        self._under_way: dict[str, asyncio.Task[bytes]] = {}

    @property
    def engine(self) -> str | None:
        """Name the engine in use, once there is one."""
        return self._engine.name if self._engine else None

    async def start(self) -> None:
        """Load the engine and say one word, so that the first client does not wait for it."""
        loop = asyncio.get_running_loop()
        # The engine's own threads inherit the priority of the thread that loads it.
        self._engine = await loop.run_in_executor(self._thread, self._warm_up)

    def close(self) -> None:
        """Let the sentence that is being spoken be the last."""
        for pool in (self._thread, self._disk):
            pool.shutdown(wait=False, cancel_futures=True)

    async def narrate(self, text: str, *, voice: str, speed: float) -> AsyncIterator[bytes]:
        """Yield 16-bit audio sentence by sentence, preparing the next one meanwhile."""
        said = sentences(speakable(text))
        if not said:
            return
        asked = deque([self._ask(said[0], voice, speed, admitted=False)])
        for following in said[1:]:
            asked.append(self._ask(following, voice, speed))
            yield await asked.popleft() + _PAUSE
        yield await asked.popleft()

    def _ask(
        self, sentence: str, voice: str, speed: float, *, admitted: bool = True
    ) -> asyncio.Future[bytes]:
        """Have a sentence synthesised; a text that has begun is spoken to its end."""
        assert self._engine is not None, "narrate before start"
        utterance = Utterance(self._engine.name, self._engine.version, voice, speed, sentence)
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if (pcm := self._cache.get(utterance)) is not None:
            done.set_result(pcm)
            return done
        task = self._under_way.get(utterance.file_name)
        if task is None:
            if not admitted and len(self._under_way) >= self._max_waiting:
                raise Busy("too many texts wait to be spoken")
            task = asyncio.create_task(self._synthesise(self._engine, utterance))
            self._under_way[utterance.file_name] = task
            task.add_done_callback(lambda _: self._under_way.pop(utterance.file_name, None))
        # A client that goes away must not take the sentence from the others who wait for it.
        return asyncio.shield(task)

    async def _synthesise(self, engine: VoiceEngine, utterance: Utterance) -> bytes:
        loop = asyncio.get_running_loop()
        pcm = await loop.run_in_executor(self._disk, self._cache.read, utterance)
        if pcm is None:
            pcm = await loop.run_in_executor(self._thread, self._speak, engine, utterance)
        self._cache.keep(utterance, pcm)
        return pcm

    def _speak(self, engine: VoiceEngine, utterance: Utterance) -> bytes:
        audio = engine.speak(utterance.text, voice=utterance.voice, speed=utterance.speed)
        pcm = pcm16(audio)
        self._cache.write(utterance, pcm)
        return pcm

    def _warm_up(self) -> VoiceEngine:
        engine = self._load()
        engine.speak("Hello.", voice="af_heart", speed=1.0)
        self._cache.prune()
        return engine


def _lower_priority() -> None:
    """Make this thread, and those that it starts, yield to others: Linux nices each thread."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWER_PRIORITY)
