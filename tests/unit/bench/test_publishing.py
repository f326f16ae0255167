"""Each part's figures have their own place in the page, and no run touches another's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.__main__ import told_command

MACHINE = {
    "date": "2026-01-02 03:04 UTC",
    "command": "python -m bench --parts pacing --publish",
    "commit": "0123456789ab",
    "machine": "a machine, 2 cores, 8 GB",
    "system": "a system",
    "load before": "0.00 0.00 0.00",
    "livekit-server": "v1",
}


def pace(cps: int, **fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "cps": cps,
        "dialers": 4,
        "joining": 4,
        "cores": 0.8,
        "seconds": 20.0,
        "tokens": cps * 20,
        "most": cps,
        "share": 0.995,
        "most_had": cps,
        "share_had": 0.99,
        "waiting": 10,
    }
    return values | fields


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "docs" / "benchmarks.md"
    path.parent.mkdir()
    places = [f"<!-- {part}:begin -->\nold {part}\n<!-- {part}:end -->" for part in report.HEADINGS]
    path.write_text("# Page\n\n" + "\n\n".join(places) + "\n")
    monkeypatch.setattr(report, "PAGE", path)
    monkeypatch.setattr(report, "PICTURES", path.parent / "benchmarks")
    return path


def a_run(folder: Path, **parts: Any) -> Path:
    result = {"machine": MACHINE, "machine_cores": 2, **parts}
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_a_run_of_one_part_leaves_the_others_as_they_were(page: Path, tmp_path: Path) -> None:
    report.write(a_run(tmp_path, pacing=[pace(1), pace(5)]), publish=True)
    text = page.read_text()
    assert "old pacing" not in text
    assert "### The pace of a trunk between processes" in text
    assert "commit 0123456789ab; a machine, 2 cores, 8 GB" in text and "livekit-server v1." in text
    others = [part for part in report.HEADINGS if part != "pacing"]
    assert [part for part in others if f"old {part}\n" not in text] == []


def test_nothing_is_published_unasked(page: Path, tmp_path: Path) -> None:
    before = page.read_text()
    told = report.write(a_run(tmp_path, pacing=[pace(1)]), publish=False)
    assert page.read_text() == before
    assert "| 1 | 4 | 20 in 20 s |" in told


def test_pictures_are_linked_in_their_own_part(page: Path, tmp_path: Path) -> None:
    calls = [
        {
            "road": road,
            "invite_to_ring": 50.0 * slower,
            "invite_to_answer": 400.0 * slower,
            "answer_to_audio": 100.0 * slower + n,
            "invite_to_audio": 500.0 * slower + n,
        }
        for road, slower in (("ours", 1), ("baseline", 4))
        for n in range(5)
    ]
    told = report.write(a_run(tmp_path, inbound=calls), publish=True)
    assert "0.5x met" in told
    inbound = page.read_text().partition("<!-- inbound:begin -->")[2].partition("<!-- inbound:end")
    assert "![inbound-first-audio](benchmarks/inbound-first-audio.png)" in inbound[0]
    assert (page.parent / "benchmarks" / "inbound-invite.png").is_file()


def test_a_pace_that_was_not_kept_or_not_used_is_told(tmp_path: Path) -> None:
    found = [pace(5, most=6), pace(20, share=0.9), pace(1, waiting=0)]
    told = report.write(a_run(tmp_path, pacing=found), publish=False)
    assert "6: **above**" in told
    assert "90.0%: 97% **missed**" in told
    assert "99.5%: not told" in told


def test_no_folder_of_this_machine_gets_into_the_page() -> None:
    for told in (["--out", "/somewhere/else"], ["--out=/somewhere/else"]):
        assert told_command(["--n", "5", *told, "--publish"]) == "python -m bench --n 5 --publish"
