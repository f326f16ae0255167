"""POST /v1/audio/speech: text in, audio out."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from sandbox.speech.audio import CONTENT_TYPES, encode
from sandbox.speech.engines import Engines, ready_engines
from sandbox.speech.kokoro import SAMPLE_RATE
from sandbox.speech.models import VOICE, require_model
from sandbox.speech.openai_errors import ApiError
from sandbox.speech.voices import KOKORO_VOICES, OPENAI_VOICES, kokoro_voice

router = APIRouter()

_CHUNK = SAMPLE_RATE  # half a second of 16-bit audio
Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


class VoiceById(BaseModel):
    """OpenAI's other way to name a voice."""

    id: str


class SpeechRequest(BaseModel):
    """What OpenAI's clients send; ``instructions`` are taken and change nothing."""

    model_config = ConfigDict(extra="ignore")

    model: str
    input: str = Field(min_length=1, max_length=4096)
    voice: str | VoiceById = "alloy"
    response_format: Format = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"


@router.post("/v1/audio/speech", response_model=None)
async def speak(
    asked: SpeechRequest, engines: Annotated[Engines, Depends(ready_engines)]
) -> Response:
    """Speak a text.

    pcm (24 kHz, mono, signed 16 bit, little endian) is sent sentence by sentence as it is made;
    the other formats when all of it is.
    """
    require_model(asked.model, VOICE)
    voice = _voice(asked.voice)
    audio = engines.narrator.narrate(asked.input, voice=voice, speed=asked.speed)
    # The first sentence is awaited here, so that what fails still gets an honest status.
    first = await anext(audio, b"")
    parts = _chunks(first, audio)
    if asked.response_format != "pcm":
        parts = _whole(parts, asked.response_format)
    if asked.stream_format == "sse":
        events = _events(parts, len(asked.input))
        return StreamingResponse(events, media_type="text/event-stream")
    if asked.response_format == "pcm":
        return StreamingResponse(parts, media_type=CONTENT_TYPES["pcm"])
    whole = b"".join([part async for part in parts])
    return Response(whole, media_type=CONTENT_TYPES[asked.response_format])


def _voice(asked: str | VoiceById) -> str:
    name = asked.id if isinstance(asked, VoiceById) else asked
    voice = kokoro_voice(name)
    if voice is None:
        known = ", ".join((*OPENAI_VOICES, *KOKORO_VOICES))
        raise ApiError(
            400,
            f"There is no voice '{name}'. There are: {known}.",
            param="voice",
            code="voice_not_found",
        )
    return voice


async def _chunks(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield audio in pieces of half a second at most."""
    for start in range(0, len(first), _CHUNK):
        yield first[start : start + _CHUNK]
    async for sentence in rest:
        for start in range(0, len(sentence), _CHUNK):
            yield sentence[start : start + _CHUNK]


async def _whole(parts: AsyncIterator[bytes], form: Format) -> AsyncIterator[bytes]:
    pcm = b"".join([part async for part in parts])
    yield await asyncio.to_thread(encode, pcm, SAMPLE_RATE, form)


async def _events(parts: AsyncIterator[bytes], characters: int) -> AsyncIterator[str]:
    """Yield OpenAI's server-sent events for speech."""
    sent = 0
    async for part in parts:
        sent += len(part)
        delta = base64.b64encode(part).decode()
        yield _event({"type": "speech.audio.delta", "audio": delta})
    spoken, made = max(1, characters // 4), max(1, sent // 2400)
    usage = {"input_tokens": spoken, "output_tokens": made, "total_tokens": spoken + made}
    yield _event({"type": "speech.audio.done", "usage": usage})


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, separators=(',', ':'))}\n\n"
