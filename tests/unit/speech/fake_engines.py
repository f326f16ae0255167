"""Engines without models, and an application around them."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import numpy as np

from sandbox.speech.app import create_app
from sandbox.speech.audio_cache import AudioCache
from sandbox.speech.engines import Engines
from sandbox.speech.listener import Listener
from sandbox.speech.narrator import Narrator
from sandbox.speech.onnx_model import Floats
from sandbox.speech.settings import SpeechSettings


class FakeVoice:
    """Says a tenth of a second of noise for each letter, and remembers what it was asked."""

    name = "fake"
    version = "1"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float]] = []
        self.free = threading.Event()
        self.free.set()

    def speak(self, text: str, *, voice: str, speed: float) -> Floats:
        self.free.wait(5)
        self.asked.append((text, voice, speed))
        return np.full(2400 * len(text), 0.25, np.float32)


class FakeEars:
    """Hears how many seconds the audio has."""

    name = "fake"

    def recognise(self, audio: Floats) -> str:
        return f"{audio.size / 16_000:.1f} seconds"


def engines(folder: Path, voice: FakeVoice, *, max_waiting: int = 8) -> Engines:
    """Build engines that need no models."""
    cache = AudioCache(folder / "audio", memory_bytes=10_000_000, disk_bytes=10_000_000)
    return Engines(
        narrator=Narrator(lambda: voice, cache=cache, max_waiting=max_waiting),
        listener=Listener(FakeEars, max_waiting=max_waiting),
    )


def client(made: Engines) -> httpx.AsyncClient:
    """Open a client of an application over these engines."""
    transport = httpx.ASGITransport(create_app(SpeechSettings(), engines=made))
    return httpx.AsyncClient(transport=transport, base_url="http://speech")
