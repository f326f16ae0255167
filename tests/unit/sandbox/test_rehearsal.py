"""What agents say is made before anybody calls."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox import rehearsal
from sandbox.rehearsal import Spoken
from tests.unit.speech import fake_engines
from tests.unit.speech.fake_engines import FakeVoice


async def test_what_was_rehearsed_is_not_made_again(tmp_path: Path) -> None:
    voice = FakeVoice()
    said = [Spoken("alloy", "Good day. How are you?"), Spoken("echo", "Goodbye.")]
    for _ in range(2):
        engines = fake_engines.engines(tmp_path, voice)
        await rehearsal.rehearse(engines.narrator, said)
        engines.close()
    warming_up = ("Hello.", "af_heart")
    made = [made for text, who, _ in voice.asked if (made := (text, who)) != warming_up]
    assert made == [
        ("Good day.", "af_heart"),
        ("How are you?", "af_heart"),
        ("Goodbye.", "am_echo"),
    ]


def test_the_agents_own_lines_and_the_scripts_replies_are_rehearsed() -> None:
    said = {spoken.text for spoken in rehearsal.of_agents()}
    assert "Hello, are you still there?" in said
    assert "I am an automated assistant, and I am calling for Riverside Dental." in said
    assert not [text for text in said if "{" in text]


def test_the_phones_lines_are_those_that_the_carrier_prints(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    carrier = tmp_path / "carrier"
    carrier.write_text('#!/bin/sh\n[ "$1" = -lines ] && echo \'[{"voice":"echo","text":"Hi."}]\'\n')
    carrier.chmod(0o755)
    monkeypatch.setattr(rehearsal, "build_carrier", lambda: carrier)
    assert rehearsal.of_phones() == [Spoken("echo", "Hi.")]


def test_a_carrier_that_fails_is_not_taken_for_silent_phones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rehearsal, "build_carrier", lambda: Path("/bin/false"))
    with pytest.raises(subprocess.CalledProcessError):
        rehearsal.of_phones()
