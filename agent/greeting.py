"""Phrases that are ready as audio before they are needed: greeting, goodbye, apology.

They are kept for the whole worker, by voice, model and text: the second call with an agent has its
greeting at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from livekit import rtc
from livekit.agents import tts

#: Enough for every phrase of a few dozen agents; at 24 kHz a long one is about half a megabyte.
_MOST_BYTES: Final = 32 * 1024 * 1024

#: What counts as silence at the beginning of a phrase: -46 dBFS.
_QUIET: Final = 164
#: Units: seconds of it that stay, so that no first sound is cut.
_LEAD: Final = 0.02

APOLOGY: Final = "I am sorry, something went wrong on our side. Goodbye."


@dataclass(frozen=True, slots=True)
class Key:
    """What a phrase's sound depends on."""

    base_url: str
    model: str
    voice: str
    text: str

    def __repr__(self) -> str:
        return f"Key({self.model}, {self.voice})"


class Phrase:
    """A phrase as audio."""

    def __init__(self, text: str, frames: list[rtc.AudioFrame]) -> None:
        self.text = text
        self._frames = frames

    @property
    def duration(self) -> float:
        """Give its length in seconds."""
        return sum(frame.duration for frame in self._frames)

    @property
    def size(self) -> int:
        """Give its size in memory in bytes."""
        return sum(frame.samples_per_channel * 2 for frame in self._frames)

    async def audio(self) -> AsyncIterator[rtc.AudioFrame]:
        """Give its frames, without waiting for their time."""
        for frame in self._frames:
            yield frame


class Synthesis(Protocol):
    """Text to speech, as far as a phrase needs it."""

    def synthesize(self, text: str) -> tts.ChunkedStream:
        """Start to synthesise the text."""
        ...


class PhraseCache:
    """The worker's phrases; shared by the threads of all jobs."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._phrases: OrderedDict[Key, Phrase] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Phrase | None:
        """Give a phrase that is ready, or None."""
        with self._lock:
            phrase = self._phrases.get(key)
            if phrase is not None:
                self._phrases.move_to_end(key)
            return phrase

    def put(self, key: Key, phrase: Phrase) -> None:
        """Keep a phrase; the ones longest unused make room."""
        with self._lock:
            if key in self._phrases or phrase.size > self._most_bytes:
                return
            self._phrases[key] = phrase
            self._bytes += phrase.size
            while self._bytes > self._most_bytes:
                _, dropped = self._phrases.popitem(last=False)
                self._bytes -= dropped.size

    def share_of(self, keys: Iterable[Key]) -> float:
        """Give the share of all room that these phrases take."""
        with self._lock:
            kept = [self._phrases[key] for key in keys if key in self._phrases]
        return sum(phrase.size for phrase in kept) / self._most_bytes

    async def ready(self, key: Key, synthesis: Synthesis, *, timeout: float) -> Phrase:
        """Give the phrase, synthesised now if need be.

        Errors: whatever the synthesis raises; TimeoutError; ValueError where no audio came.
        """
        phrase = self.get(key)
        if phrase is None:
            phrase = await asyncio.wait_for(_synthesise(key.text, synthesis), timeout)
            self.put(key, phrase)
        return phrase


async def _synthesise(text: str, synthesis: Synthesis) -> Phrase:
    frames: list[rtc.AudioFrame] = []
    async with synthesis.synthesize(text) as stream:
        async for piece in stream:
            frames.append(piece.frame)
    phrase = Phrase(text, without_leading_silence(frames))
    if phrase.duration == 0:
        raise ValueError("the text to speech model gave no audio")
    return phrase


def without_leading_silence(frames: list[rtc.AudioFrame]) -> list[rtc.AudioFrame]:
    """Drop the silence that voices begin with: to the callee it is a pause after the answer."""
    for index, frame in enumerate(frames):
        samples = np.frombuffer(frame.data, dtype=np.int16)
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET)
        if len(loud):
            keep = max(int(loud[0]) - int(frame.sample_rate * _LEAD), 0)
            first = rtc.AudioFrame(
                samples[keep:].tobytes(), frame.sample_rate, 1, len(samples) - keep
            )
            return [first, *frames[index + 1 :]]
    return []
