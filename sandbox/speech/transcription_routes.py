"""POST /v1/audio/transcriptions: audio in, words out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from sandbox.speech.engines import Engines, ready_engines
from sandbox.speech.listener import Heard
from sandbox.speech.models import EARS, require_model
from sandbox.speech.openai_errors import ApiError

router = APIRouter()

_MOST_BYTES = 25 * 1024 * 1024


@router.post("/v1/audio/transcriptions", response_model=None)
async def transcribe(
    engines: Annotated[Engines, Depends(ready_engines)],
    file: Annotated[UploadFile, File()],
    model: Annotated[str, Form()],
    response_format: Annotated[Literal["json", "text", "verbose_json"], Form()] = "json",
    stream: Annotated[bool, Form()] = False,
) -> Response:
    """Recognise an uploaded file: WAV of any rate, or mp3, ogg, flac, webm.

    The model knows English only; ``language``, ``prompt`` and ``temperature`` change nothing.
    """
    require_model(model, EARS)
    if stream:
        raise ApiError(400, "stream is not offered: words come when all are known", param="stream")
    data = await file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ApiError(413, "the file is larger than 25 MB", param="file", code="file_too_large")
    heard = await engines.listener.listen(data)
    if response_format == "text":
        return PlainTextResponse(heard.text + "\n")
    return JSONResponse(_json(heard) if response_format == "json" else _verbose(heard))


def _json(heard: Heard) -> dict[str, Any]:
    return {"text": heard.text, "usage": {"type": "duration", "seconds": round(heard.seconds, 2)}}


def _verbose(heard: Heard) -> dict[str, Any]:
    """Answer as whisper does, with all of it as one segment: the model tells no times."""
    segment: dict[str, Any] = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": round(heard.seconds, 2),
        "text": heard.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    return {
        **_json(heard),
        "task": "transcribe",
        "language": "en",
        "duration": round(heard.seconds, 2),
        "segments": [segment] if heard.text else [],
    }
