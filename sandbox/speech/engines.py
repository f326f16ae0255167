"""The engines of one server: how they are chosen, loaded and reported."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from sandbox.speech.audio_cache import AudioCache
from sandbox.speech.kokoro import Kokoro
from sandbox.speech.last_resort import find_last_resort
from sandbox.speech.listener import Listener
from sandbox.speech.moonshine import Moonshine
from sandbox.speech.narrator import Narrator, VoiceEngine
from sandbox.speech.openai_errors import ApiError
from sandbox.speech.phonemes import EspeakMissing, phonemes
from sandbox.speech.settings import SpeechSettings
from sandbox.speech.weights import Weights, ensure_weights

_log = logging.getLogger(__name__)
_MEGABYTE = 1_000_000


@dataclass
class Engines:
    """Voice and ears, and whether they can be used yet."""

    narrator: Narrator
    listener: Listener
    failed: str | None = field(default=None)

    @property
    def ready(self) -> bool:
        """Whether both engines are loaded and warm."""
        return self.narrator.engine is not None and self.listener.engine is not None

    async def start(self) -> None:
        """Load both engines side by side; what goes wrong is kept for /healthz."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.listener.start())
                group.create_task(self.narrator.start())
        except* Exception as errors:
            self.failed = "; ".join(str(error) for error in errors.exceptions)
            _log.error("the speech engines cannot be loaded: %s", self.failed)
        else:
            _log.info("speech is ready: %s, %s", self.narrator.engine, self.listener.engine)

    def close(self) -> None:
        """Stop both."""
        self.narrator.close()
        self.listener.close()

    def health(self) -> dict[str, Any]:
        """Say what works."""
        return {
            "ok": self.ready,
            "voice": self.narrator.engine,
            "ears": self.listener.engine,
            "chat": "scripted",
            "error": self.failed,
        }


def build_engines(settings: SpeechSettings) -> Engines:
    """Prepare the engines that settings ask for; nothing is loaded yet."""

    def weights() -> Weights:
        return ensure_weights(settings.models_dir)

    cache = AudioCache(
        settings.audio_cache_dir,
        memory_bytes=settings.memory_cache_mb * _MEGABYTE,
        disk_bytes=settings.disk_cache_mb * _MEGABYTE,
    )
    return Engines(
        narrator=Narrator(
            lambda: _load_voice(settings), cache=cache, max_waiting=settings.max_waiting
        ),
        listener=Listener(
            lambda: Moonshine(weights(), threads=settings.ears_threads),
            max_waiting=settings.max_waiting,
        ),
    )


def ready_engines(request: Request) -> Engines:
    """Give a route the engines.

    Errors: ApiError 503 until they are loaded.
    """
    engines: Engines = request.app.state.engines
    if not engines.ready:
        reason = engines.failed or "the models are being loaded"
        raise ApiError(503, f"Speech is not ready: {reason}.", code="not_ready")
    return engines


def _load_voice(settings: SpeechSettings) -> VoiceEngine:
    """Load the best voice that works; only ``auto`` may fall back."""
    if settings.engine not in ("auto", "kokoro"):
        return find_last_resort(settings.engine)
    try:
        phonemes("Hello.", language="en-us")
        return Kokoro(ensure_weights(settings.models_dir), threads=settings.voice_threads)
    except EspeakMissing:
        if settings.engine == "kokoro":
            raise
        _log.warning("the neural voice needs espeak-ng, which is missing: trying flite")
        return find_last_resort("auto")
    except Exception as error:
        if settings.engine == "kokoro":
            raise
        fallback = find_last_resort("auto")
        _log.warning("the neural voice cannot be loaded (%s): using %s", error, fallback.name)
        return fallback
