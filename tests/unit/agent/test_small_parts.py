"""Seats, phrases, media, turns, settings: the small parts of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import (
    ConversationItemAddedEvent,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
)
from livekit.agents.llm import ChatMessage
from pydantic import ValidationError

from agent.ending import End, Ending
from agent.greeting import Key, Phrase, PhraseCache, without_leading_silence
from agent.logs import without_text
from agent.media_watch import MediaWatch
from agent.server import Seats
from agent.settings import Settings
from agent.transcript import Transcript, note
from telephony.call import EndedBy, EndedReason
from telephony.events import Turn


def test_no_job_is_accepted_above_capacity_however_many_are_offered_at_once() -> None:
    seats = Seats(5)
    assert sum(seats.take(f"job-{n}") for n in range(20)) == 5
    assert seats.taken == 5
    seats.free("job-0")
    seats.free("job-0")
    assert seats.take("job-20")
    assert not seats.take("job-21")


@pytest.mark.asyncio
async def test_the_first_ending_stands() -> None:
    end = End()
    assert end.decide(Ending(EndedReason.CALLEE_HANGUP))
    assert not end.decide(Ending(EndedReason.API_HANGUP))
    ending = await end.wait()
    assert (ending.reason, ending.ended_by) == (EndedReason.CALLEE_HANGUP, EndedBy.CALLEE)


def frame(seconds: float) -> rtc.AudioFrame:
    """Make a frame with sound."""
    samples = int(24_000 * seconds)
    return rtc.AudioFrame(b"\x10\x10" * samples, 24_000, 1, samples)


def silence(seconds: float) -> rtc.AudioFrame:
    """Make a frame without sound."""
    samples = int(24_000 * seconds)
    return rtc.AudioFrame(bytes(2 * samples), 24_000, 1, samples)


def test_a_phrase_begins_with_its_first_sound() -> None:
    trimmed = without_leading_silence([silence(0.3), frame(0.5), silence(0.2)])
    assert [round(f.duration, 2) for f in trimmed] == [0.5, 0.2]
    half = rtc.AudioFrame(
        bytes(silence(0.1).data) + bytes(frame(0.1).data), 24_000, 1, int(24_000 * 0.2)
    )
    assert [round(f.duration, 2) for f in without_leading_silence([half])] == [0.12]


class Speech:
    """Text to speech that counts how often it is asked."""

    def __init__(self, seconds: float = 0.5) -> None:
        self.asked = 0
        self.seconds = seconds

    def synthesize(self, text: str) -> Any:
        self.asked += 1
        return _Stream(self.seconds)


class _Stream:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def __aenter__(self) -> _Stream:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def __aiter__(self) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        if self.seconds:

            class Piece:
                frame: rtc.AudioFrame

            piece = Piece()
            piece.frame = frame(self.seconds)
            yield piece


def key(text: str) -> Key:
    """Name a phrase."""
    return Key("http://localhost/v1", "tts", "alloy", text)


@pytest.mark.asyncio
async def test_a_greeting_is_synthesised_once_for_all_calls() -> None:
    cache, speech = PhraseCache(), Speech()
    first = await cache.ready(key("Hello."), speech, timeout=1)
    again = await cache.ready(key("Hello."), speech, timeout=1)
    assert first is again
    assert speech.asked == 1
    assert [f.duration async for f in first.audio()] == [0.5]


@pytest.mark.asyncio
async def test_the_phrase_longest_unused_makes_room() -> None:
    cache = PhraseCache(most_bytes=2 * 24_000 + 10)
    for text in ("a", "b"):
        cache.put(key(text), Phrase(text, [frame(0.5)]))
    cache.get(key("a"))
    cache.put(key("c"), Phrase("c", [frame(0.5)]))
    assert cache.get(key("b")) is None
    assert cache.get(key("a")) is not None
    assert cache.get(key("c")) is not None


@pytest.mark.asyncio
async def test_a_greeting_without_audio_is_an_error_and_nobody_is_rung() -> None:
    with pytest.raises(ValueError, match="no audio"):
        await PhraseCache().ready(key("Hello."), Speech(0), timeout=1)


class Packets:
    """Counts packets as told, on a clock that moves as told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fails = False
        self.packets: int | None = None
        self.watch = MediaWatch(
            self.count,
            timeout=timedelta(seconds=12),
            initial=timedelta(seconds=20),
            clock=lambda: self.now,
        )

    async def count(self) -> int | None:
        if self.fails:
            raise RuntimeError
        return self.packets

    async def at(self, now: float, packets: int | None) -> MediaWatch:
        """Let the watch look at this moment."""
        self.now, self.packets = now, packets
        await self.watch.look()
        return self.watch


@pytest.mark.asyncio
async def test_media_that_never_comes_is_lost_after_the_longer_limit() -> None:
    media = Packets()
    assert not (await media.at(19, None)).lost
    watch = await media.at(20, 0)
    assert watch.lost
    assert not watch.seen


@pytest.mark.asyncio
async def test_media_that_stops_is_lost_after_the_shorter_limit() -> None:
    media = Packets()
    await media.at(3, 150)
    watch = await media.at(8, 150)
    assert not watch.nearly_lost
    watch = await media.at(12.5, 150)
    assert watch.nearly_lost
    assert not watch.lost
    watch = await media.at(15, 150)
    assert watch.lost
    assert watch.seen
    assert not (await media.at(15, 151)).lost


@pytest.mark.asyncio
async def test_a_stream_that_counts_anew_is_media() -> None:
    media = Packets()
    await media.at(3, 1500)
    assert not (await media.at(14, 10)).lost
    assert not (await media.at(25, 10)).lost
    assert (await media.at(26, 10)).lost


@pytest.mark.asyncio
async def test_packets_that_cannot_be_counted_are_not_lost_media() -> None:
    media = Packets()
    await media.at(3, 150)
    media.fails = True
    watch = await media.at(60, 150)
    assert not watch.lost
    assert not watch.nearly_lost


def test_an_exception_is_logged_without_its_text() -> None:
    try:
        try:
            raise ValueError("what somebody said")
        except ValueError as error:
            raise RuntimeError("+14155550100") from error
    except RuntimeError as error:
        text = without_text((type(error), error, error.__traceback__))
    assert "RuntimeError" in text and "ValueError" in text and __file__ in text
    # The frames show the source line, which holds these two words here and only here.
    assert "RuntimeError: " not in text and "ValueError: " not in text


def added(message: ChatMessage) -> ConversationItemAddedEvent:
    """Make the event with which a session tells of a message."""
    return ConversationItemAddedEvent(item=message)


def test_each_turn_is_told_once_with_its_words_and_times() -> None:
    turns: list[Turn] = []
    transcript = Transcript(turns.append)
    said = ChatMessage(
        role="user",
        content=["Good  morning."],
        metrics={"started_speaking_at": 1.0, "stopped_speaking_at": 2.5},
    )
    cut = ChatMessage(role="assistant", content=["I was saying"], interrupted=True)
    for message in (said, said, cut):
        transcript.on_item(added(message))
    assert turns == [
        Turn(
            speaker="callee",
            text="Good morning.",
            started_at=datetime.fromtimestamp(1.0, UTC),
            ended_at=datetime.fromtimestamp(2.5, UTC),
        ),
        Turn(speaker="agent", text="I was saying", interrupted=True),
    ]


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage(role="user", content=["  "]),
        ChatMessage(role="system", content=["Be kind."]),
        note("[keys: 1 2]"),
    ],
)
def test_what_nobody_said_is_no_turn(message: ChatMessage) -> None:
    turns: list[Turn] = []
    Transcript(turns.append).on_item(added(message))
    assert turns == []


def test_words_that_nobody_answers_are_kept_and_the_others_told_once() -> None:
    turns: list[Turn] = []
    transcript = Transcript(turns.append)
    speaking = UserStateChangedEvent(old_state="listening", new_state="speaking", created_at=5.0)
    silent = UserStateChangedEvent(old_state="speaking", new_state="listening", created_at=6.0)
    transcript.on_words(UserInputTranscribedEvent(transcript="Good morning.", is_final=True))
    transcript.on_item(added(ChatMessage(role="user", content=["Good morning."])))
    transcript.flush()
    transcript.on_speaking(speaking)
    transcript.on_speaking(silent)
    transcript.on_words(UserInputTranscribedEvent(transcript="Leave a", is_final=False))
    transcript.on_words(UserInputTranscribedEvent(transcript="Leave a message.", is_final=True))
    transcript.flush()
    transcript.flush()
    assert [turn.text for turn in turns] == ["Good morning.", "Leave a message."]
    assert turns[1].started_at == datetime.fromtimestamp(5.0, UTC)
    assert turns[1].ended_at == datetime.fromtimestamp(6.0, UTC)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give an environment in which the worker can start."""
    for name, value in {
        "WORKER_TOKEN": "secret-token",
        "LIVEKIT_API_KEY": "key",
        "LIVEKIT_API_SECRET": "very-secret",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_secrets_do_not_show_in_the_settings_text(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OPENAI_API_KEY", "model-secret")
    environment.setenv("WORKER_ID", "worker-1")
    settings = Settings()  # pyright: ignore[reportCallIssue]
    text = repr(settings)
    assert not [s for s in ("secret-token", "very-secret", "model-secret") if s in text]


def test_workers_with_one_spool_folder_have_folders_of_their_own(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("WORKER_ID", "worker-2")
    settings = Settings()  # pyright: ignore[reportCallIssue]
    assert settings.own_spool.name == "worker-2"


@pytest.mark.parametrize(("name", "value"), [("WORKER_CAPACITY", "0"), ("WORKER_ID", "../up")])
def test_settings_that_cannot_be_right_are_refused(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()  # pyright: ignore[reportCallIssue]
