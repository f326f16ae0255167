"""One voice for many clients: order, sharing, memory, limits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandbox.speech.audio_cache import AudioCache, Utterance
from sandbox.speech.engines import Engines
from sandbox.speech.narrator import Busy
from tests.kit.until import until
from tests.unit.speech import fake_engines
from tests.unit.speech.fake_engines import FakeVoice


async def all_of(engines: Engines, text: str, voice: str = "af_heart") -> bytes:
    return b"".join([pcm async for pcm in engines.narrator.narrate(text, voice=voice, speed=1.0)])


def utterance(text: str) -> Utterance:
    return Utterance("fake", "1", "af_heart", 1.0, text)


async def test_the_same_sentence_is_synthesised_once(started: Engines, voice: FakeVoice) -> None:
    assert await all_of(started, "Hello.") == await all_of(started, "Hello.")
    await all_of(started, "Hello.", voice="am_echo")
    assert [asked[1] for asked in voice.asked] == ["af_heart", "am_echo"]


async def test_clients_who_ask_at_once_share_one_synthesis(
    started: Engines, voice: FakeVoice
) -> None:
    said = await asyncio.gather(*(all_of(started, "Hello.") for _ in range(20)))
    assert len(set(said)) == 1
    assert len(voice.asked) == 1


async def test_the_first_sentence_comes_while_the_next_is_being_made(
    started: Engines, voice: FakeVoice
) -> None:
    audio = started.narrator.narrate("One. Two. Three.", voice="af_heart", speed=1.0)
    assert await anext(audio)
    await until(lambda: len(voice.asked) == 2, what="the second sentence is made ahead")
    assert [asked[0] for asked in voice.asked] == ["One.", "Two."]
    await audio.aclose()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


async def test_a_client_that_goes_away_does_not_take_the_sentence_from_others(
    started: Engines, voice: FakeVoice
) -> None:
    voice.free.clear()
    first = asyncio.create_task(all_of(started, "Hello."))
    second = asyncio.create_task(all_of(started, "Hello."))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    voice.free.set()
    assert await second


async def test_too_many_waiting_texts_are_refused(tmp_path: Path, voice: FakeVoice) -> None:
    made = fake_engines.engines(tmp_path, voice, max_waiting=2)
    await made.start()
    voice.free.clear()
    waiting = [asyncio.create_task(all_of(made, f"Text {n}.")) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await all_of(made, "One more.")
    async with fake_engines.client(made) as client:
        body = {"model": "tts-1", "input": "One more.", "response_format": "pcm"}
        refused = await client.post("/v1/audio/speech", json=body)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    voice.free.set()
    await asyncio.gather(*waiting)
    made.close()


async def test_what_was_said_before_a_restart_is_still_known(
    tmp_path: Path, voice: FakeVoice
) -> None:
    for _ in range(2):
        made = fake_engines.engines(tmp_path, voice)
        await made.start()
        await all_of(made, "Thank you.")
        made.close()
    assert [asked[0] for asked in voice.asked].count("Thank you.") == 1


def test_memory_forgets_what_was_used_longest_ago(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, memory_bytes=250, disk_bytes=0)
    for name in ("a", "b"):
        cache.keep(utterance(name), bytes(100))
    cache.get(utterance("a"))
    cache.keep(utterance("c"), bytes(100))
    assert cache.get(utterance("b")) is None
    assert cache.get(utterance("a")) and cache.get(utterance("c"))


def test_what_is_larger_than_the_memory_is_not_kept(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, memory_bytes=50, disk_bytes=0)
    cache.keep(utterance("a"), bytes(100))
    assert cache.get(utterance("a")) is None


def test_the_disk_is_pruned_to_its_bound_and_names_tell_nothing(tmp_path: Path) -> None:
    cache = AudioCache(tmp_path, memory_bytes=0, disk_bytes=250)
    for name in ("secret words", "b", "c", "d"):
        cache.write(utterance(name), bytes(100))
    assert not any("secret" in file.name for file in tmp_path.iterdir())
    cache.prune()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_disk_that_cannot_be_written_costs_nothing_but_speed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = AudioCache(tmp_path / "file", memory_bytes=100, disk_bytes=100)
    cache.write(utterance("a"), bytes(10))
    assert cache.read(utterance("a")) is None
    cache.prune()
