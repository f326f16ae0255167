"""From a run's result.json to its plots, its tables and docs/benchmarks.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from bench import plots, tables
from sandbox.folders import PROJECT

PAGE: Final = PROJECT / "docs" / "benchmarks.md"
PICTURES: Final = PROJECT / "docs" / "benchmarks"
_ROADS: Final = ("ours", "baseline")

_PICTURED: Final = {
    "answer_to_audio": ("200 OK -> first audio of the agent", "first-audio"),
    "accepted_to_invite": ("202, or dispatch accepted -> INVITE", "invite"),
    "speech_to_reply": ("end of speech -> reply, less the models' delays", "reply"),
}


def write(out: Path, *, publish: bool) -> str:
    """Write plots and tables beside result.json; give the tables.

    Shape: with ``publish`` the plots go into docs/benchmarks and the tables into the page too.
    """
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    folder = PICTURES if publish else out / "plots"
    drawn = draw(result, folder)
    text = "\n\n".join(sections(result))
    (out / "report.md").write_text(text + "\n")
    if publish:
        links = "\n".join(f"![{path.stem}]({path.relative_to(PAGE.parent)})" for path in drawn)
        insert(PAGE, "measured", f"{text}\n\n{links}" if links else text)
    return text


def insert(page: Path, marker: str, text: str) -> None:
    """Replace what stands between a page's markers.

    Errors: ValueError when the page lacks them.
    """
    begin, end = f"<!-- {marker}:begin -->", f"<!-- {marker}:end -->"
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page.name} lacks the markers of {marker}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def sections(result: dict[str, Any]) -> list[str]:
    """Write what was measured, part by part."""
    said = [_machine(result["machine"])]
    if times := result.get("latency"):
        said += ["### One call at a time", tables.latency(times), tables.steps(times)]
        said.append(_never(times))
    if found := result.get("shipped"):
        said += ["### Does every call ring?", tables.shipped(found)]
    if levels := result.get("load"):
        said += ["### Many calls at once", tables.load(levels), tables.load_ratios(levels)]
        said.append(_knees(levels, result["machine_cores"]))
    if rounds := result.get("api"):
        said += ["### POST /calls at 50 in flight", tables.api(rounds)]
    return said


def _machine(told: dict[str, str]) -> str:
    return tables.table(("", ""), told.items())


def _never(times: list[dict[str, Any]]) -> str:
    lost = {
        road: sum(t["accepted_to_invite"] is None for t in times if t["road"] == road)
        for road in _ROADS
    }
    return f"Never dialled: {lost['ours']} of our calls, {lost['baseline']} of the baseline's."


def _knees(levels: list[dict[str, Any]], cores: int) -> str:
    told = [f"{road} {tables.knee(levels, road)}" for road in _ROADS]
    return (
        f"Calls held at once, of the levels measured: {', '.join(told)}, on {cores} cores that "
        "also carry the servers, the carrier and the models."
    )


def draw(result: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what the result holds; give the pictures."""
    drawn: list[Path] = []
    times: list[dict[str, Any]] = result.get("latency", [])
    bounds = {figure: bound for figure, _, bound, _ in tables.FIGURES}
    for figure, (title, name) in _PICTURED.items():
        samples = {road: tables.samples(times, road, figure) for road in _ROADS}
        if all(samples.values()):
            bound = bounds[figure]
            limit = bound * tables.quantile(samples["baseline"], 0.5) if bound else None
            plots.distributions(folder / f"{name}.png", title, "ms", samples, limit)
            drawn.append(folder / f"{name}.png")
    return drawn + _draw_levels(result.get("load", []), folder)


def _draw_levels(levels: list[dict[str, Any]], folder: Path) -> list[Path]:
    def lines(figure: str, scale: float = 1.0) -> dict[str, dict[int, float]]:
        return {
            road: {
                level["calls"]: level[figure] / scale
                for level in levels
                if level["road"] == road and level["up"] and level[figure] is not None
            }
            for road in _ROADS
        }

    if not levels:
        return []
    memory, cpu = folder / "memory.png", folder / "cpu.png"
    plots.by_level(memory, "memory of the workers", "MB of PSS", lines("pss", 1e6))
    title = "CPU of the workers"
    plots.by_level(cpu, title, "CPU-s per call-minute", lines("cpu_per_call_minute"))
    drawn = [memory, cpu]
    most = max(level["calls"] for level in levels)
    crowded = {
        road: [a for x in levels if x["road"] == road and x["calls"] == most for a in x["replies"]]
        for road in _ROADS
    }
    if all(crowded.values()):
        path = folder / "reply-crowded.png"
        title = f"end of speech -> reply, less the models' delays, {most} calls at once"
        plots.distributions(path, title, "ms", crowded, None)
        drawn.append(path)
    return drawn
