"""Two sides speak over a real SIP call, and the record says what they said."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import until_heard
from tests.kit.until import until_sync
from tests.kit.words import plain, word_error_rate


def recognise(running: dict[str, Any], path: Path) -> str:
    """Read the words of a WAV file with the sandbox's own ears."""
    answer = httpx.post(
        f"{running['speech_url']}/audio/transcriptions",
        files={"file": ("heard.wav", path.read_bytes(), "audio/wav")},
        data={"model": "whisper-1", "response_format": "json"},
        timeout=120,
    )
    answer.raise_for_status()
    return answer.json()["text"]


@dataclass(frozen=True)
class UnderWay:
    """Calls that take their time, since when."""

    since: datetime
    conversation: str
    voicemail: str


@pytest.fixture(scope="module", autouse=True)
def under_way(gateway: Gateway) -> UnderWay:
    """Have the two longest calls begin before the first test, and end while others run."""
    since = datetime.now(UTC)
    talks, mailbox = (gateway.place(f"+1415555{number}")["id"] for number in ("0100", "0110"))
    return UnderWay(since, talks, mailbox)


@pytest.fixture(scope="module")
def conversation(
    under_way: UnderWay, gateway: Gateway, ledger: CarrierLedger
) -> tuple[dict[str, Any], CarrierCall]:
    ended = gateway.until_ended(under_way.conversation, timeout=180)

    def over() -> CarrierCall | None:
        calls = ledger.calls("+14155550100", since=under_way.since)
        return next((call for call in calls if call.complete), None)

    return ended, until_sync(over, 15, what="the carrier's side has ended")


def test_a_silent_callee_hears_the_greeting(
    gateway: Gateway, ledger: CarrierLedger, running: dict[str, Any]
) -> None:
    # Regression of livekit/livekit#4377: a greeting that is not heard until the callee speaks.
    since = datetime.now(UTC)
    call = gateway.place("+14155550101")
    gateway.until_status(call["id"], "in_progress")
    turn = until_sync(
        lambda: next((t for t in gateway.turns(call["id"]) if t["speaker"] == "agent"), None), 30
    )
    gateway.hang_up(call["id"])
    gateway.until_ended(call["id"])
    seen = ledger.only_call("+14155550101", since=since)

    heard = recognise(running, Path(seen.raw["heard_wav"]))

    assert word_error_rate(turn["text"], heard) <= 0.3, (turn["text"], heard)
    assert all(t["speaker"] == "agent" for t in gateway.turns(call["id"]))


def test_nobody_speaks_before_the_phone_is_picked_up(
    gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550115")
    gateway.until_status(call["id"], "in_progress")
    until_heard(ledger, "+14155550115", since)
    gateway.hang_up(call["id"])
    gateway.until_ended(call["id"])
    seen = ledger.only_call("+14155550115", since=since)
    audible = seen.rtp["first_audible_at"]
    assert audible
    assert datetime.fromisoformat(audible) > (seen.at("answered_at") or datetime.max)


def test_the_agent_hears_the_first_word_of_a_callee_who_speaks_at_once(
    gateway: Gateway, ledger: CarrierLedger
) -> None:
    # Regression of livekit/agents#5932: the first words are missing from the transcript.
    since = datetime.now(UTC)
    call = gateway.place("+14155550134")
    gateway.until_status(call["id"], "in_progress")
    turn = until_sync(
        lambda: next((t for t in gateway.turns(call["id"]) if t["speaker"] == "callee"), None), 40
    )
    gateway.hang_up(call["id"])
    gateway.until_ended(call["id"])
    first_word = plain(ledger.only_call("+14155550134", since=since).said[0]).split()[0]
    assert first_word in plain(turn["text"]).split()[:2]


def test_dtmf_is_reported_digit_by_digit(gateway: Gateway) -> None:
    call = gateway.place("+14155550113")
    gateway.until_status(call["id"], "in_progress")

    def digits() -> list[str]:
        events = gateway.events(call["id"])
        return [e["data"]["digit"] for e in events if e["type"] == "call.dtmf"]

    until_sync(lambda: digits() == ["1", "2", "3", "#"], 20, what="four digits")
    gateway.hang_up(call["id"])
    gateway.until_ended(call["id"])


def test_a_voicemail_is_told_something_and_the_call_ends(
    under_way: UnderWay, gateway: Gateway, ledger: CarrierLedger
) -> None:
    ended = gateway.until_ended(under_way.voicemail, timeout=120)
    assert ended["outcome"] == "completed"
    seen = ledger.only_call("+14155550110", since=under_way.since)
    assert seen.rtp["first_audible_at"]


def test_a_conversation_ends_with_goodbye(
    conversation: tuple[dict[str, Any], CarrierCall], gateway: Gateway
) -> None:
    call, seen = conversation
    ended = (call["outcome"], call["ended_reason"], call["ended_by"])
    assert ended == ("completed", "agent_hangup", "agent"), gateway.events(call["id"])
    assert seen.received("BYE")


def test_both_sides_have_three_turns_or_more(
    conversation: tuple[dict[str, Any], CarrierCall], gateway: Gateway
) -> None:
    turns = gateway.turns(conversation[0]["id"])
    for speaker in ("agent", "callee"):
        assert len([t for t in turns if t["speaker"] == speaker]) >= 3, turns


def test_the_transcript_has_the_words_that_the_callee_spoke(
    conversation: tuple[dict[str, Any], CarrierCall],
    gateway: Gateway,
) -> None:
    call, seen = conversation
    said = " ".join(seen.said)
    written = " ".join(t["text"] for t in gateway.turns(call["id"]) if t["speaker"] == "callee")
    rate = word_error_rate(said, written)
    print(f"word error rate of the callee's words: {rate:.3f}")
    # The recogniser alone has about 5 % on clean telephone speech; a lost turn would be over 25 %.
    assert rate <= 0.2, (said, written)


def test_the_callee_heard_the_words_that_the_transcript_gives_the_agent(
    conversation: tuple[dict[str, Any], CarrierCall], gateway: Gateway, running: dict[str, Any]
) -> None:
    call, seen = conversation
    spoken = [t["text"] for t in gateway.turns(call["id"]) if t["speaker"] == "agent"]
    heard = plain(recognise(running, Path(seen.raw["heard_wav"])))
    written = plain(" ".join(spoken))
    rate = word_error_rate(written, heard)
    print(f"word error rate of the agent's words as heard at the phone: {rate:.3f}")
    assert rate <= 0.3, (written, heard)


def test_both_sides_are_kept_as_audio(
    conversation: tuple[dict[str, Any], CarrierCall],
) -> None:
    path = Path(conversation[0]["recording_path"])
    with wave.open(str(path)) as audio:
        assert audio.getnchannels() == 2
        seconds = audio.getnframes() / audio.getframerate()
        assert seconds == pytest.approx(conversation[0]["duration_seconds"], abs=3)
        frames = memoryview(audio.readframes(audio.getnframes())).cast("h")
    loudness = [max(abs(s) for s in frames[side::2]) for side in (0, 1)]
    assert min(loudness) > 1000, "both sides are audible"
