"""The demo's exit status tells the truth."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.demo import SCENES, as_expected


def _records() -> list[dict[str, Any]]:
    return [
        {
            "outcome": scene.outcome,
            "timestamps": {"answered_at": "2026-01-01" if scene.outcome == "completed" else None},
            "recording_path": "call.wav" if scene.outcome == "completed" else None,
        }
        for scene in SCENES
    ]


def test_all_four_as_expected_is_success() -> None:
    assert as_expected(_records())


@pytest.mark.parametrize("which", range(len(SCENES)))
def test_any_other_outcome_is_a_failure(which: int) -> None:
    records = _records()
    records[which]["outcome"] = "failed"
    assert not as_expected(records)


def test_a_call_that_was_not_made_is_a_failure() -> None:
    assert not as_expected(_records()[:-1])


def test_an_answered_call_without_audio_is_a_failure() -> None:
    records = _records()
    records[0]["recording_path"] = None
    assert not as_expected(records)
