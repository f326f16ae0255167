"""The shapes that OpenAI's clients rely on."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.speech.app import create_app
from sandbox.speech.audio import wav
from sandbox.speech.engines import Engines
from sandbox.speech.settings import SpeechSettings
from tests.unit.speech import fake_engines
from tests.unit.speech.fake_engines import FakeVoice
from tests.unit.speech.openai_shapes import assert_openai_error, chat, events

SPEECH = {"model": "gpt-4o-mini-tts", "voice": "ash", "input": "Hi. Yes.", "response_format": "pcm"}
PAUSE = 2 * 6000


async def test_pcm_is_every_sentence_with_a_pause_between(speech: httpx.AsyncClient) -> None:
    answer = await speech.post("/v1/audio/speech", json=SPEECH)
    assert answer.headers["content-type"] == "audio/pcm"
    assert len(answer.content) == 2 * 2400 * (len("Hi.") + len("Yes.")) + PAUSE


async def test_openais_voices_and_the_engines_own_are_spoken(
    speech: httpx.AsyncClient, voice: FakeVoice
) -> None:
    for name in ("ash", "bf_lily", {"id": "nova"}):
        await speech.post("/v1/audio/speech", json={**SPEECH, "voice": name, "speed": 1.5})
    assert voice.asked[::2] == [
        ("Hi.", "am_michael", 1.5),
        ("Hi.", "bf_lily", 1.5),
        ("Hi.", "af_nova", 1.5),
    ]


async def test_speech_as_events_has_the_same_audio(speech: httpx.AsyncClient) -> None:
    plain = await speech.post("/v1/audio/speech", json=SPEECH)
    answer = await speech.post("/v1/audio/speech", json={**SPEECH, "stream_format": "sse"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events(answer.text)
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(delta["audio"]) for delta in deltas) == plain.content
    assert done["type"] == "speech.audio.done"
    assert done["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("form", ["wav", "mp3", "opus", "aac", "flac"])
async def test_the_other_formats_come_whole(speech: httpx.AsyncClient, form: str) -> None:
    answer = await speech.post("/v1/audio/speech", json={**SPEECH, "response_format": form})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("audio/")
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("form", ["pcm", "wav", "mp3", "opus", "aac", "flac"])
async def test_a_text_without_a_word_is_no_audio(speech: httpx.AsyncClient, form: str) -> None:
    body = {**SPEECH, "input": "...", "response_format": form}
    answer = await speech.post("/v1/audio/speech", json=body)
    assert answer.status_code == 200
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    ("wrong", "status", "param"),
    [
        ({"voice": "nobody"}, 400, "voice"),
        ({"model": "gpt-4o-mini"}, 404, "model"),
        ({"input": ""}, 400, "input"),
        ({"input": "x" * 4097}, 400, "input"),
        ({"speed": 9}, 400, "speed"),
        ({"response_format": "midi"}, 400, "response_format"),
    ],
)
async def test_a_wrong_speech_request_is_told_which_field(
    speech: httpx.AsyncClient, wrong: dict[str, Any], status: int, param: str
) -> None:
    answer = await speech.post("/v1/audio/speech", json={**SPEECH, **wrong})
    assert_openai_error(answer, status, param)


async def test_words_come_as_json_text_or_verbose_json(speech: httpx.AsyncClient) -> None:
    for form in ("json", "text", "verbose_json"):
        answer = await speech.post(
            "/v1/audio/transcriptions",
            files={"file": ("file.wav", wav(bytes(32_000), 8_000), "audio/wav")},
            data={"model": "whisper-1", "response_format": form, "language": "en"},
        )
        if form == "text":
            assert answer.text == "2.0 seconds\n"
        else:
            assert answer.json()["text"] == "2.0 seconds"
        if form == "verbose_json":
            assert answer.json()["language"] == "en"
            assert answer.json()["duration"] == 2.0
            assert answer.json()["segments"][0]["end"] == 2.0


@pytest.mark.parametrize(
    ("data", "status", "param"),
    [
        ({"model": "whisper-1"}, 400, "file"),
        ({"model": "tts-1"}, 404, "model"),
        ({}, 400, "model"),
        ({"model": "whisper-1", "response_format": "srt"}, 400, "response_format"),
        ({"model": "whisper-1", "stream": "true"}, 400, "stream"),
    ],
)
async def test_a_wrong_upload_is_told_which_field(
    speech: httpx.AsyncClient, data: dict[str, str], status: int, param: str
) -> None:
    file = {"file": ("file.wav", b"not audio", "audio/wav")}
    answer = await speech.post("/v1/audio/transcriptions", files=file, data=data)
    assert_openai_error(answer, status, param)


async def test_an_upload_that_is_too_large_is_refused(speech: httpx.AsyncClient) -> None:
    file = {"file": ("file.wav", bytes(26 * 1024 * 1024), "audio/wav")}
    data = {"model": "whisper-1"}
    answer = await speech.post("/v1/audio/transcriptions", files=file, data=data)
    assert_openai_error(answer, 413, "file")


async def test_models_say_what_they_are(speech: httpx.AsyncClient) -> None:
    listed = (await speech.get("/v1/models")).json()
    assert listed["object"] == "list"
    by_name = {entry["id"]: entry for entry in listed["data"]}
    assert {"scripted", "gpt-4o-mini", "gpt-4o-mini-tts", "whisper-1"} <= set(by_name)
    for name in ("scripted", "gpt-4o-mini"):
        assert "not a language model" in by_name[name]["description"]
    assert (await speech.get("/v1/models/scripted")).json() == by_name["scripted"]
    assert_openai_error(await speech.get("/v1/models/gpt-9"), 404, None)


async def test_an_unknown_route_answers_in_openais_shape(speech: httpx.AsyncClient) -> None:
    assert_openai_error(await speech.get("/v1/nothing"), 404, None)


async def test_until_the_engines_are_loaded_health_is_503_and_chat_already_works(
    tmp_path: Path, voice: FakeVoice
) -> None:
    made = fake_engines.engines(tmp_path, voice)
    async with fake_engines.client(made) as cold:
        assert (await cold.get("/healthz")).status_code == 503
        assert_openai_error(await cold.post("/v1/audio/speech", json=SPEECH), 503, None)
        assert (await cold.post("/v1/chat/completions", json=chat("Hi."))).status_code == 200
        await made.start()
        healthy = await cold.get("/healthz")
    made.close()
    assert healthy.status_code == 200
    assert healthy.json()["voice"] == healthy.json()["ears"] == "fake"


async def test_engines_that_cannot_load_say_why(tmp_path: Path, voice: FakeVoice) -> None:
    def broken(text: str, *, voice: str, speed: float) -> Any:
        raise RuntimeError("the model is torn")

    voice.speak = broken
    made = fake_engines.engines(tmp_path, voice)
    await made.start()
    async with fake_engines.client(made) as cold:
        health = await cold.get("/healthz")
    made.close()
    assert health.status_code == 503
    assert "the model is torn" in health.json()["error"]


async def test_what_breaks_inside_answers_in_openais_shape_and_tells_no_words(
    started: Engines, voice: FakeVoice
) -> None:
    def broken(text: str, *, voice: str, speed: float) -> Any:
        raise RuntimeError(f"cannot say {text}")

    voice.speak = broken
    app = create_app(SpeechSettings(), engines=started)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://speech") as client:
        answer = await client.post("/v1/audio/speech", json=SPEECH)
    assert_openai_error(answer, 500, None)
    assert "Hi" not in answer.text
