"""What an agent says when it steps in is ready before it has to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc
from structlog.testing import capture_logs

from agent import standby
from agent.greeting import APOLOGY, Key, PhraseCache
from agent.standby import Standby
from telephony.worker_contract import PhraseWanted, Welcome
from tests.kit.until import until

SECOND = 48_000
URL = "http://localhost/v1"


class Models:
    """Text to speech that takes a second for everything, and some texts not at all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.refused: set[str] = set()
        monkeypatch.setattr(standby, "a_voice", self._voice)
        monkeypatch.setattr(standby, "_AGAIN", 0.05)

    @asynccontextmanager
    async def _voice(self, *_: object) -> AsyncGenerator[Models]:
        yield self

    @asynccontextmanager
    async def synthesize(self, text: str) -> AsyncGenerator[AsyncIterator[Any]]:
        """Start to speak."""
        self.asked.append(text)
        if text in self.refused:
            raise ConnectionError("words")
        yield self._spoken()

    async def _spoken(self) -> AsyncIterator[Any]:
        yield SimpleNamespace(frame=rtc.AudioFrame(b"\x10\x10" * 24_000, 24_000, 1, 24_000))


class Ready:
    """A worker's phrases, and the dialer's list of them."""

    def __init__(self, *texts: str, room: int = 100) -> None:
        wanted = [PhraseWanted(model="tts", voice="alloy", text=text) for text in texts]
        self.welcome = Welcome(phrases=wanted)
        self.phrases = PhraseCache(most_bytes=room * SECOND)
        shared = cast("Any", SimpleNamespace(base_url=URL))
        self.standby = Standby(shared, self.phrases)

    def has(self, text: str) -> bool:
        """Say whether a phrase is ready."""
        return self.phrases.get(Key(URL, "tts", "alloy", text)) is not None

    def welcomed(self, *texts: str) -> bool:
        """Hear the dialer's list once more; say whether all of these are ready."""
        self.standby.wanted(self.welcome)
        return all(self.has(text) for text in texts)


async def test_every_line_and_the_apology_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    models, ready = Models(monkeypatch), Ready("a", "b")
    await until(lambda: ready.welcomed("a", "b", APOLOGY))
    assert ready.welcomed()
    await ready.standby.aclose()
    assert sorted(models.asked) == sorted(["a", "b", APOLOGY])


async def test_a_phrase_that_cannot_be_made_keeps_no_other_from_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models, ready = Models(monkeypatch), Ready("a", "b")
    models.refused.add("a")
    await until(lambda: ready.welcomed("b", APOLOGY))
    models.refused.clear()
    await until(lambda: ready.welcomed("a"), what="it is tried again")
    await ready.standby.aclose()
    assert models.asked.count("b") == 1


async def test_more_than_fits_is_not_made_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"line {n}" for n in range(8)]
    models, ready = Models(monkeypatch), Ready(*texts, room=6)
    rounds = 0

    def many() -> bool:
        nonlocal rounds
        rounds += 1
        ready.welcomed()
        return rounds > 20

    with capture_logs() as logs:
        await until(many, every=0.01)
    await ready.standby.aclose()
    assert len(models.asked) == 3, "half of the room is for what calls say"
    assert [line["event"] for line in logs] == ["phrases_do_not_fit"]
    assert all(ready.has(text) for text in models.asked)
