"""From a run's result.json to its plots, its tables and docs/benchmarks.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import plots, tables, trunk_tables
from sandbox.folders import PROJECT

PAGE: Final = PROJECT / "docs" / "benchmarks.md"
PICTURES: Final = PROJECT / "docs" / "benchmarks"
#: The parts, in the order in which they are told.
HEADINGS: Final = {
    "latency": "### One call at a time",
    "shipped": "### Does every call ring?",
    "load": "### Many calls at once",
    "api": "### POST /calls at 50 in flight",
    "inbound": "### A call that comes in",
    "plan": "### A plan with many trunks and numbers",
    "pacing": "### The pace of a trunk between processes",
}
_ROADS: Final = ("ours", "baseline")

_PICTURED: Final = {
    "latency": {
        "answer_to_audio": ("200 OK -> first audio of the agent", "first-audio"),
        "accepted_to_invite": ("202, or dispatch accepted -> INVITE", "invite"),
        "speech_to_reply": ("end of speech -> reply, less the models' delays", "reply"),
    },
    "inbound": {
        "answer_to_audio": ("a call that comes in: 200 OK -> first audio", "inbound-first-audio"),
        "invite_to_audio": ("a call that comes in: INVITE -> first audio", "inbound-invite"),
    },
}
_FIGURES: Final[Mapping[str, tables.Figures]] = {
    "latency": tables.FIGURES,
    "inbound": tables.INBOUND,
}


def write(out: Path, *, publish: bool) -> str:
    """Write plots and tables beside result.json; give the tables.

    Shape: with ``publish`` the plots go into docs/benchmarks and each part's tables to its own
    place in the page; the places of parts that the run did not measure stay as they are.
    """
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    folder = PICTURES if publish else out / "plots"
    drawn = draw(result, folder)
    measured = {part: [HEADINGS[part], *tell(result)] for part, tell in _TOLD if part in result}
    if publish:
        for part, said in measured.items():
            heading, *tables_of_it = said
            links = [f"![{p.stem}]({p.relative_to(PAGE.parent)})" for p in drawn.get(part, [])]
            whole = [heading, circumstances(result["machine"]), *tables_of_it, "\n".join(links)]
            insert(PAGE, part, "\n\n".join(filter(None, whole)))
    blocks = [block for said in measured.values() for block in said]
    text = "\n\n".join([_machine(result["machine"]), *blocks])
    (out / "report.md").write_text(text + "\n")
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


def circumstances(told: dict[str, str]) -> str:
    """Say in a line when, on what and with what a part was measured."""
    known = ("date", "command", "commit", "machine", "system", "load before")
    versions = ", ".join(f"{name} {value}" for name, value in told.items() if name not in known)
    return (
        f"{told['date']}, `{told['command']}`, commit {told['commit']}; {told['machine']}, "
        f"{told['system']}; load before: {told['load before']}; {versions}."
    )


def _latency(result: dict[str, Any]) -> list[str]:
    times = result["latency"]
    return [
        tables.latency(times),
        tables.steps(times),
        _never("Never dialled", times, "accepted_to_invite"),
    ]


def _shipped(result: dict[str, Any]) -> list[str]:
    return [tables.shipped(result["shipped"])]


def _load(result: dict[str, Any]) -> list[str]:
    levels = result["load"]
    return [
        tables.load(levels),
        tables.load_ratios(levels),
        _knees(levels, result["machine_cores"]),
    ]


def _api(result: dict[str, Any]) -> list[str]:
    return [tables.api(result["api"])]


def _inbound(result: dict[str, Any]) -> list[str]:
    times = result["inbound"]
    never = _never("No agent was heard in", times, "invite_to_audio")
    return [tables.latency(times, tables.INBOUND), never]


def _plan(result: dict[str, Any]) -> list[str]:
    return [trunk_tables.plans(result["plan"]), trunk_tables.lists(result["plan"])]


def _pacing(result: dict[str, Any]) -> list[str]:
    return [trunk_tables.paces(result["pacing"])]


_TOLD: Final[Sequence[tuple[str, Callable[[dict[str, Any]], list[str]]]]] = (
    ("latency", _latency),
    ("shipped", _shipped),
    ("load", _load),
    ("api", _api),
    ("inbound", _inbound),
    ("plan", _plan),
    ("pacing", _pacing),
)


def _machine(told: dict[str, str]) -> str:
    return tables.table(("", ""), told.items())


def _never(words: str, times: list[dict[str, Any]], figure: str) -> str:
    lost = {road: sum(t[figure] is None for t in times if t["road"] == road) for road in _ROADS}
    return f"{words}: {lost['ours']} of our calls, {lost['baseline']} of the baseline's."


def _knees(levels: list[dict[str, Any]], cores: int) -> str:
    told = [f"{road} {tables.knee(levels, road)}" for road in _ROADS]
    return (
        f"Calls held at once, of the levels measured: {', '.join(told)}, on {cores} cores that "
        "also carry the servers, the carrier and the models."
    )


def draw(result: dict[str, Any], folder: Path) -> dict[str, list[Path]]:
    """Draw what the result holds; give the pictures of each part."""
    drawn = {part: _draw_times(result.get(part, []), part, folder) for part in _PICTURED}
    return {**drawn, "load": _draw_levels(result.get("load", []), folder)}


def _draw_times(times: list[dict[str, Any]], part: str, folder: Path) -> list[Path]:
    drawn: list[Path] = []
    bounds = {figure: bound for figure, _, bound, _ in _FIGURES[part]}
    for figure, (title, name) in _PICTURED[part].items():
        samples = {road: tables.samples(times, road, figure) for road in _ROADS}
        if all(samples.values()):
            bound = bounds[figure]
            limit = bound * tables.quantile(samples["baseline"], 0.5) if bound else None
            plots.distributions(folder / f"{name}.png", title, "ms", samples, limit)
            drawn.append(folder / f"{name}.png")
    return drawn


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
