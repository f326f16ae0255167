"""What the benchmarks make of their samples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import process_tree, report, tables
from bench.latency import reply_steps
from bench.statistics import ratio, slope


def level(calls: int, **fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "road": "ours",
        "calls": calls,
        "up": calls,
        "loss": 0.0,
        "replies": [600.0, 620.0],
        "probes": [{"answer_to_audio": 100.0}],
    }
    return values | fields


def test_the_ratio_of_a_road_to_itself_is_one_and_its_interval_holds_it() -> None:
    found = ratio([90.0, 100.0, 110.0, 130.0], [90.0, 100.0, 110.0, 130.0], 0.5)
    assert found.value == 1.0
    assert found.low < 1.0 < found.high


def test_a_road_twice_as_quick_is_seen_through_the_noise() -> None:
    found = ratio([50.0 + n for n in range(10)], [100.0 + n for n in range(10)], 0.5)
    assert 0.4 < found.low < found.value < found.high < 0.65


def test_a_steady_growth_is_found_and_a_level_line_is_not_called_growth() -> None:
    hours = [n / 60 for n in range(30)]
    assert slope(hours, [100 + 6 * hour for hour in hours]).value == pytest.approx(6)
    level_line = slope(hours, [100 + (-1) ** n for n in range(30)])
    assert level_line.low < 0 < level_line.high


def test_the_knee_is_the_last_level_before_the_first_that_is_not_held() -> None:
    levels = [level(1), level(5), level(10, loss=0.002), level(20)]
    assert tables.knee(levels, "ours") == 5


@pytest.mark.parametrize(
    "worse",
    [{"up": 9}, {"loss": None}, {"replies": [1500.0]}, {"probes": [{"answer_to_audio": 400.0}]}],
)
def test_a_level_is_not_held_when(worse: dict[str, Any]) -> None:
    crowded = level(10, **worse)
    assert tables.held(level(10), [level(1), level(10)])
    assert not tables.held(crowded, [level(1), crowded])


def test_the_steps_of_a_reply_follow_the_requests_that_led_to_it() -> None:
    def asked(kind: str, at: float, answered: float) -> dict[str, Any]:
        return {"kind": kind, "at": at, "answered": answered}

    requests = [
        asked("tts", 1.0, 1.2),  # the greeting
        asked("stt", 10.3, 10.45),
        asked("llm", 10.5, 10.8),
        asked("llm", 10.9, 12.5),  # came too late to be what was spoken
        asked("tts", 10.85, 11.05),
    ]
    found = reply_steps(requests, 10.0, 11.15)
    assert list(found.values()) == pytest.approx([300, 50, 50, 100], abs=0.01)
    assert reply_steps(requests[:1], 10.0, 11.15) == {}


def test_a_process_and_its_children_are_counted() -> None:
    script = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE); "
        "print('up', flush=True); input(); child.communicate()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        seen = process_tree.usage([parent.pid])
        parent.communicate(b"\n")
    assert seen.processes == 2
    assert seen.pss > 0
    assert seen.fds > 0
    assert process_tree.tree([os.getpid()]) >= {os.getpid()}


def test_figures_replace_what_stood_between_a_page_s_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n")
    report.insert(page, "x", "new")
    assert page.read_text() == "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n"
    with pytest.raises(ValueError, match="markers"):
        report.insert(page, "y", "new")


def test_the_page_has_the_markers_that_figures_go_between() -> None:
    for marker in (*report.HEADINGS, "soak"):
        assert f"<!-- {marker}:begin -->" in report.PAGE.read_text()
        assert f"<!-- {marker}:end -->" in report.PAGE.read_text()
