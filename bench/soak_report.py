"""What a soak came to: the first minutes against the last ones, and what grew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import plots, report, tables
from bench.statistics import quantile, slope


def write(out: Path, *, publish: bool) -> str:
    """Write the plots and the table of a soak; give the table."""
    result: dict[str, Any] = json.loads((out / "soak.json").read_text())
    folder = report.PICTURES if publish else out / "plots"
    minutes: float = result["minutes"]
    span = min(5.0, minutes / 3)
    text = "\n\n".join(
        [
            tables.table(("", ""), result["machine"].items()),
            f"{result['calls_at_once']} calls at once for {minutes:g} minutes, one in five of"
            " them a browser's, each of 40 s but for one that lasts all the time.",
            long_call_table(result["long_call"], span),
            _ends(result["calls"], minutes, span),
            _growth(result["looks"], minutes, span),
        ]
    )
    drawn = _draw(result["looks"], folder)
    (out / "soak.md").write_text(text + "\n")
    if publish:
        links = "\n".join(f"![{p.stem}]({p.relative_to(report.PAGE.parent)})" for p in drawn)
        report.insert(report.PAGE, "soak", f"{text}\n\n{links}")
    return text


def _ends(calls: list[dict[str, Any]], minutes: float, span: float) -> str:
    rows: list[Sequence[object]] = []
    for kind in ("phone", "browser"):
        for name, first, last in (("first", 0.0, span), ("last", minutes - span, minutes)):
            part = [c for c in calls if c["kind"] == kind and first <= c["at"] / 60 < last]
            whole = [c for c in part if not c["failed"]]
            audio = [c["first_audio"] for c in whole if c["first_audio"] is not None]
            replies = [reply for c in whole for reply in c["replies"]]
            lost = sum(c["lost"] for c in whole)
            sent = lost + sum(c["audible"] for c in whole)
            rows.append(
                (
                    kind,
                    f"{name} {span:.2g} minutes",
                    len(part),
                    sum(c["failed"] or c.get("dropped", False) for c in part),
                    _pair(audio),
                    _pair(replies),
                    f"{lost / sent:.3%}" if sent else "-",
                )
            )
    head = ("calls of", "", "calls", "failed", "first audio p50 / p95", "reply p50 / p95", "loss")
    return tables.table(head, rows)


def long_call_table(call: dict[str, Any], span: float) -> str:
    """Tell what the call was like that lasted all the time; ``span`` in minutes."""
    replies: list[Sequence[float]] = call["replies"]
    if not replies:
        return "The call that was to last all the time was never talked on."
    first = [took for at, took in replies if at <= replies[0][0] + 60 * span]
    last = [took for at, took in replies if at >= replies[-1][0] - 60 * span]
    packets = call["lost"] + call["audible"]
    row = (
        f"{call['seconds'] / 60:.1f} minutes",
        "yes" if call["lived"] else "no",
        f"{call['answered']} of {call['refreshes']}",
        _pair(first),
        _pair(last),
        f"{call['lost'] / packets:.3%}" if packets else "-",
    )
    head = ("the long call", "up at the end", "refreshes answered", "reply, first", "reply, last")
    return tables.table((*head, "loss"), [row])


def _pair(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{quantile(values, 0.5):,.0f} / {quantile(values, 0.95):,.0f} ms"


def _growth(looks: list[dict[str, Any]], minutes: float, span: float) -> str:
    # The start is not the steady state, and the last look is of workers without calls.
    steady = [look for look in looks[:-1] if span <= look["at"] / 60 <= minutes]
    names = [name for name in looks[0] if name != "at"]
    rows: list[Sequence[object]] = []
    for name in names:
        hours = [look["at"] / 3600 for look in steady]
        pss = [look[name]["pss"] / 1e6 for look in steady]
        fds = [float(look[name]["fds"]) for look in steady]
        growth = slope(hours, pss)
        rows.append(
            (
                name,
                f"{median(pss):,.0f} MB" if pss else "-",
                f"{growth.value:+.1f} ({growth.low:+.1f} to {growth.high:+.1f}) MB/h",
                f"{min(fds):.0f} to {max(fds):.0f}" if fds else "-",
                f"{slope(hours, fds).value:+.1f} an hour",
                f"{looks[-1][name]['fds']}",
            )
        )
    head = ("process", "PSS", "its slope", "descriptors", "their slope", "when all calls are over")
    return tables.table(head, rows)


def _draw(looks: list[dict[str, Any]], folder: Path) -> list[Path]:
    names = [name for name in looks[0] if name != "at"]
    memory, descriptors = folder / "soak-memory.png", folder / "soak-descriptors.png"

    def lines(key: str, scale: float) -> dict[str, list[tuple[float, float]]]:
        return {
            name: [(look["at"] / 60, look[name][key] / scale) for look in looks] for name in names
        }

    plots.over_time(memory, "memory", "MB of PSS", lines("pss", 1e6))
    plots.over_time(descriptors, "file descriptors", "open", lines("fds", 1))
    return [memory, descriptors]
