"""Models of fixed delay behind OpenAI's API: what is left of a measurement is the road's own.

``GET /requests`` lists what was asked since the last ``DELETE``, so that the time between a
caller's last word and the reply can be told apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any, Final

import numpy as np
from aiohttp import web

#: Units: seconds.
STT_DELAY: Final = 0.150
LLM_FIRST_TOKEN: Final = 0.300
TTS_FIRST_BYTE: Final = 0.200
ALL_DELAYS: Final = STT_DELAY + LLM_FIRST_TOKEN + TTS_FIRST_BYTE

_RATE: Final = 24_000
_SPOKEN: Final = 1.2
_CHUNK: Final = 9_600
_HEARD: Final = "Yes, that time suits me well, thank you."
_ANSWER: Final = "Very well, I have written that down for you."


def voice(seconds: float = _SPOKEN) -> bytes:
    """Make a voice without a single pause, so that every silence the callee hears is a loss.

    Shape: 24 kHz, mono, signed 16 bit; a hummed vowel whose loudness sways like syllables do.
    """
    t = np.arange(int(_RATE * seconds)) / _RATE
    pitch = 2 * np.pi * (130 * t + 1.5 * np.sin(2 * np.pi * 5 * t))
    hum = sum(np.sin(k * pitch) / k for k in range(1, 16))
    sway = 0.7 + 0.3 * np.sin(2 * np.pi * 4 * t)
    return (hum * sway * 6_000).astype("<i2").tobytes()


class Models:
    """The three endpoints and the book of requests."""

    def __init__(self) -> None:
        self._voice = voice()
        self._requests: list[dict[str, Any]] = []

    def app(self) -> web.Application:
        """Give the application."""
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.add_routes(
            [
                web.get("/v1/models", self._list),
                web.post("/v1/audio/transcriptions", self._transcribe),
                web.post("/v1/chat/completions", self._complete),
                web.post("/v1/audio/speech", self._speak),
                web.get("/requests", self._tell),
                web.delete("/requests", self._forget),
            ]
        )
        return app

    async def _list(self, _: web.Request) -> web.Response:
        names = ("gpt-4o-mini-transcribe", "gpt-4o-mini", "gpt-4o-mini-tts")
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "bench"} for name in names
        ]
        return web.json_response({"object": "list", "data": data})

    async def _transcribe(self, request: web.Request) -> web.Response:
        noted = self._note("stt")
        await request.post()
        await asyncio.sleep(STT_DELAY - (time.time() - noted["at"]))
        noted["answered"] = time.time()
        return web.json_response({"text": _HEARD, "usage": {"type": "duration", "seconds": 2}})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        noted = self._note("llm")
        asked: dict[str, Any] = await request.json()
        await asyncio.sleep(LLM_FIRST_TOKEN - (time.time() - noted["at"]))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        noted["answered"] = time.time()
        await answer.write("".join(_chunks(asked)).encode())
        await answer.write_eof()
        return answer

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        noted = self._note("tts")
        await request.json()
        await asyncio.sleep(TTS_FIRST_BYTE - (time.time() - noted["at"]))
        answer = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        await answer.prepare(request)
        noted["answered"] = time.time()
        for start in range(0, len(self._voice), _CHUNK):
            await answer.write(self._voice[start : start + _CHUNK])
        await answer.write_eof()
        return answer

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response(self._requests)

    async def _forget(self, _: web.Request) -> web.Response:
        self._requests.clear()
        return web.Response(status=204)

    def _note(self, kind: str) -> dict[str, Any]:
        noted: dict[str, Any] = {"kind": kind, "at": time.time()}
        self._requests.append(noted)
        return noted


def _chunks(asked: dict[str, Any]) -> list[str]:
    base = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": str(asked.get("model", "")),
    }
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": f"{word} "} for word in _ANSWER.split()]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    lines = [f"data: {json.dumps({**base, 'choices': [choice]})}\n\n" for choice in choices]
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    lines.append(f"data: {json.dumps({**base, 'choices': [], 'usage': usage})}\n\n")
    return [*lines, "data: [DONE]\n\n"]


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m bench.models")
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    web.run_app(Models().app(), host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main()
