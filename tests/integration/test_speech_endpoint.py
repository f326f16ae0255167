"""The offline speech server with its real engines, used by the clients that calls are made with."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx
import jiwer
import numpy as np
import openai
import pytest
import pytest_asyncio
from livekit import rtc
from livekit.agents import llm
from livekit.plugins import openai as plugin

from sandbox.speech.audio import decode, telephone_wav
from sandbox.speech.selftest import plain
from sandbox.speech.settings import SpeechSettings
from sandbox.speech.weights import ensure_weights
from tests.kit.until import until_sync

RATE = 24_000
CALL = (
    "Hello, this is the automated assistant of Riverside Dental.",
    "Yes, it is a good time. Who is calling, please?",
    "I am calling about your appointment on Tuesday afternoon.",
    "Could you tell me what time my appointment is?",
    "That works for me, please confirm it.",
    "Thank you very much for your time today. Goodbye.",
)
VOICES = ("alloy", "ash", "echo", "nova", "sage", "ballad")
SHORT = ("Yes.", "No.", "Hello?", "Bye.", "Goodbye.", "Okay.", "Hi.", "Thank you, goodbye.")


def start(folder: Path, **more: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server that has never said anything before; return it and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cache = folder / "cache"
    (cache / "telephony").mkdir(parents=True)
    (cache / "telephony" / "models").symlink_to(SpeechSettings().models_dir)
    command = [sys.executable, "-m", "sandbox.speech", "--port", str(port)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), **more}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"

    def healthy() -> bool:
        assert server.poll() is None, (folder / "log").read_text()
        try:
            return httpx.get(f"{address}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    until_sync(healthy, 60, what="the speech server is healthy")
    return server, address


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server."""
    server.terminate()
    assert server.wait(15) is not None


@pytest.fixture(scope="module")
def address() -> Generator[str]:
    """Give the address of a running server."""
    ensure_weights(SpeechSettings().models_dir)
    with tempfile.TemporaryDirectory() as folder:
        server, found = start(Path(folder))
        yield found
        stop(server)


@pytest_asyncio.fixture
async def client(address: str) -> AsyncGenerator[openai.AsyncOpenAI]:
    """Give OpenAI's own client."""
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as made:
        yield made


async def spoken(client: openai.AsyncOpenAI, text: str, voice: str = "alloy") -> bytes:
    answer = await client.audio.speech.create(
        model="gpt-4o-mini-tts", voice=voice, input=text, response_format="pcm"
    )
    return answer.content


async def recognised(client: openai.AsyncOpenAI, pcm: bytes) -> str:
    file = ("line.wav", telephone_wav(pcm, RATE), "audio/wav")
    return (await client.audio.transcriptions.create(model="whisper-1", file=file)).text


def words(text: str) -> list[str]:
    return plain(text).split()


def test_health_names_the_engines(address: str) -> None:
    health = httpx.get(f"{address}/healthz").json()
    assert health["voice"] == "kokoro-82m-int8"
    assert health["ears"] == "moonshine-tiny-q8"


@pytest.mark.slow
async def test_a_telephone_conversation_is_understood(client: openai.AsyncOpenAI) -> None:
    heard = [
        await recognised(client, await spoken(client, text, voice))
        for text, voice in zip(CALL, VOICES, strict=True)
    ]
    assert jiwer.wer([plain(t) for t in CALL], [plain(t) for t in heard]) <= 0.08


async def test_short_answers_are_not_lost(client: openai.AsyncOpenAI) -> None:
    silence = bytes(2 * RATE)
    right = 0
    for text in SHORT:
        pcm = await spoken(client, text)
        heard = [await recognised(client, audio) for audio in (pcm, silence + pcm + silence)]
        assert all(heard), (text, heard)
        right += sum(words(text) == words(one) for one in heard)
    assert right >= 0.8 * 2 * len(SHORT)


async def test_silence_and_hiss_are_nobody_speaking(client: openai.AsyncOpenAI) -> None:
    hiss = (np.random.default_rng(1).standard_normal(2 * RATE) * 20).astype("<i2").tobytes()
    assert await recognised(client, bytes(4 * RATE)) == ""
    assert await recognised(client, hiss) == ""


async def test_speech_longer_than_the_model_takes_is_recognised_whole(
    client: openai.AsyncOpenAI,
) -> None:
    # Two sentences, again and again: to say them takes longer than to hear them.
    said = [await spoken(client, text) for text in CALL[2:4]]
    pcm = b"".join(said) * 6
    assert len(pcm) / 2 / RATE > 30
    heard = plain(await recognised(client, pcm))
    assert jiwer.wer(plain(" ".join(CALL[2:4] * 6)), heard) <= 0.15


async def test_the_first_sentence_is_sent_before_the_last_is_made(
    client: openai.AsyncOpenAI,
) -> None:
    text = "Good morning to you. Here is one more about the garden. And this one is the last."
    began = time.monotonic()
    request = client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="coral", input=text, response_format="pcm"
    )
    first = None
    async with request as answer:
        async for _ in answer.iter_bytes():
            first = first or time.monotonic() - began
    assert first is not None
    assert first < 0.9 * (time.monotonic() - began)


async def test_the_same_sentence_again_is_the_same_and_at_once(
    client: openai.AsyncOpenAI,
) -> None:
    # A number that no earlier run has asked for.
    text = f"Sentence {time.time_ns() % 10**9} is made once."
    began = time.monotonic()
    before = await spoken(client, text)
    made = time.monotonic()
    assert await spoken(client, text) == before
    assert time.monotonic() - made < 0.5 * (made - began)


@pytest.mark.slow
async def test_somebody_is_heard_while_a_long_text_is_being_spoken(
    client: openai.AsyncOpenAI,
) -> None:
    short = await spoken(client, "Can you hear me now?")
    long = " ".join(f"Sentence number {n} of a rather long story." for n in range(6))
    speaking = asyncio.create_task(spoken(client, long, "fable"))
    await asyncio.sleep(0)
    assert words(await recognised(client, short)) == words("Can you hear me now?")
    assert not speaking.done()
    await speaking


@pytest.mark.parametrize("form", ["wav", "mp3", "opus"])
async def test_other_formats_sound_the_same(client: openai.AsyncOpenAI, form: Any) -> None:
    text = "Please leave a message after the tone."
    answer = await client.audio.speech.create(
        model="tts-1", voice="onyx", input=text, response_format=form
    )
    audio = (decode(answer.content, rate=RATE) * 32767).astype("<i2").tobytes()
    assert words(await recognised(client, audio)) == words(text)


async def test_speed_changes_the_length(client: openai.AsyncOpenAI) -> None:
    text = "This is said at different speeds."
    slow, fast = [
        await client.audio.speech.create(
            model="tts-1", voice="nova", input=text, response_format="wav", speed=speed
        )
        for speed in (0.8, 1.6)
    ]
    lengths: list[int] = []
    for answer in (slow, fast):
        with wave.open(io.BytesIO(answer.content)) as read:
            lengths.append(read.getnframes())
    assert lengths[0] > 1.4 * lengths[1]


async def test_verbose_json_is_what_the_client_expects(client: openai.AsyncOpenAI) -> None:
    file = ("line.wav", telephone_wav(await spoken(client, "Good morning."), RATE), "audio/wav")
    answer = await client.audio.transcriptions.create(
        model="whisper-1", file=file, response_format="verbose_json"
    )
    assert words(answer.text) == ["good", "morning"]
    assert answer.language == "en"
    assert answer.duration > 0.3


async def test_refusals_arrive_as_the_clients_own_errors(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no voice 'nobody'") as refused:
        await spoken(client, "Hello.", "nobody")
    assert refused.value.param == "voice"
    with pytest.raises(openai.NotFoundError, match="does not exist here"):
        await client.chat.completions.create(
            model="tts-1", messages=[{"role": "user", "content": "Hello."}]
        )
    with pytest.raises(openai.BadRequestError, match="not audio"):
        await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no audio"))


async def test_the_clients_chat_stream_says_farewell_and_calls_the_tool(
    client: openai.AsyncOpenAI,
) -> None:
    tool: Any = {"type": "function", "function": {"name": "end_call", "parameters": {}}}
    stream = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Thank you, good-by."}],
        tools=[tool],
        stream=True,
        stream_options={"include_usage": True},
    )
    text, called, used = "", "", 0
    async for chunk in stream:
        assert chunk.model == "scripted"
        used = chunk.usage.total_tokens if chunk.usage else used
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                assert call.function is not None
                called += call.function.name or ""
    assert "Goodbye" in text
    assert called == "end_call"
    assert used > 0


async def test_the_agents_own_voice_and_ears_understand_each_other(
    address: str, client: openai.AsyncOpenAI
) -> None:
    voice = plugin.TTS(base_url=f"{address}/v1", api_key="any", response_format="pcm", voice="ash")
    ears = plugin.STT(client=client, model="whisper-1")
    text = "Hello, I am calling about your appointment."
    async with voice.synthesize(text) as stream:
        frames = [event.frame async for event in stream]
    event = await ears.recognize(rtc.combine_audio_frames(frames))
    await voice.aclose()
    await ears.aclose()
    assert frames[0].sample_rate == RATE
    assert words(event.alternatives[0].text) == words(text)


async def test_the_agents_own_model_gets_words_a_tool_call_and_usage(address: str) -> None:
    @llm.function_tool
    async def end_call(reason: str) -> str:  # pyright: ignore[reportUnusedFunction]
        """End the call."""
        return reason

    model = plugin.LLM(base_url=f"{address}/v1", api_key="any", model="gpt-4o-mini")
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="You are the assistant of Riverside Dental.")
    context.add_message(role="user", content="That is all. Goodbye.")
    async with model.chat(chat_ctx=context, tools=[end_call]) as stream:
        whole = await stream.collect()
    await model.aclose()
    assert "Goodbye" in whole.text
    assert [call.name for call in whole.tool_calls] == ["end_call"]
    assert whole.usage is not None and whole.usage.total_tokens > 0


def test_without_the_neural_voice_a_simple_one_speaks_and_health_says_so(
    tmp_path: Path,
) -> None:
    server, address = start(tmp_path, SPEECH_ENGINE="espeak-ng")
    try:
        assert httpx.get(f"{address}/healthz").json()["voice"] == "espeak-ng"
        body = {"model": "tts-1", "voice": "echo", "input": "Hello.", "response_format": "pcm"}
        answer = httpx.post(f"{address}/v1/audio/speech", json=body, timeout=30)
        assert answer.status_code == 200
        assert len(answer.content) > RATE // 2
    finally:
        stop(server)
