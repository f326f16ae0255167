"""A run of many kills goes on where it was interrupted, and remembers what it found before."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.chaos import __main__ as chaos
from tests.faults.chaos.comparison import Violation
from tests.faults.chaos.killing import Killed
from tests.faults.chaos.plan import Plan
from tests.faults.chaos.playing import Round

SEED = 7


@dataclass
class Story:
    """What was played, and after how many rounds somebody presses Ctrl-C."""

    interrupted_after: int | None = None
    broken: bool = False
    played: list[Plan] = field(default_factory=list[Plan])

    async def play(self, plan: Plan) -> Round:
        """Pretend that every kill of a round was made."""
        if self.interrupted_after == len(self.played):
            raise KeyboardInterrupt
        self.played.append(plan)
        kills = [Killed("api", 1, datetime.now(UTC), 0.5) for _ in plan.kills]
        violations = [Violation("dialled twice")] if self.broken else []
        return Round(plan, kills, violations=violations)


@pytest.fixture(autouse=True)
def _signals() -> Generator[None]:  # pyright: ignore[reportUnusedFunction]
    before = {stop: signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)}
    yield
    for stop, handler in before.items():
        signal.signal(stop, handler)


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, kills: int, story: Story) -> int:
    @contextmanager
    def stack(*_: object) -> Generator[dict[str, Any]]:
        yield {"logs_dir": str(folder / "logs")}

    def player(*_: object) -> Story:
        return story

    (folder / "logs").mkdir(exist_ok=True)
    monkeypatch.setattr(chaos, "_stack", stack)
    monkeypatch.setattr(chaos, "Player", player)
    return chaos.main(["--kills", str(kills), "--seed", str(SEED), "--state", str(folder)])


def test_an_interrupted_run_goes_on_with_the_next_round(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = Story(interrupted_after=2), Story()
    assert run(monkeypatch, tmp_path, 40, first) == 130
    assert f"make chaos SEED={SEED} KILLS=40" in capsys.readouterr().out
    assert run(monkeypatch, tmp_path, 40, second) == 0

    whole = [*first.played, *second.played]
    assert [plan.number for plan in whole] == [1, 2, 3]
    assert sum(len(plan.kills) for plan in whole) == 40
    nothing = Story()
    assert run(monkeypatch, tmp_path, 40, nothing) == 0
    assert nothing.played == []


def test_a_promise_that_was_broken_before_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(monkeypatch, tmp_path, 10, Story(broken=True)) == 1
    assert run(monkeypatch, tmp_path, 20, Story()) == 1
    assert "dialled twice" in (tmp_path / f"seed-{SEED}" / "round-1" / "violations.txt").read_text()
