"""The figures of a run as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

from bench.statistics import quantile, ratio

Result = dict[str, Any]

#: Of one call: key, what it is, the bound and the goal against the baseline's.
FIGURES: Final = (
    ("answer_to_audio", "200 OK -> first audio of the agent", 0.16, None),
    ("accepted_to_invite", "202 (dispatch accepted) -> INVITE", 0.6, 0.3),
    ("asked_to_invite", "request sent -> INVITE", None, None),
    ("speech_to_reply", "end of speech -> first reply audio, less the models' delays", 0.7, None),
)
#: The same of a call that comes in.
INBOUND: Final = (
    ("answer_to_audio", "200 OK -> first audio of the agent", 0.5, None),
    ("invite_to_audio", "INVITE -> first audio of the agent", 0.5, None),
    ("invite_to_answer", "INVITE -> 200 OK", None, None),
    ("invite_to_ring", "INVITE -> 180 Ringing", None, None),
)
Figures = Sequence[tuple[str, str, float | None, float | None]]
#: How much worse than with one call the 95th percentile may be, and the noise that is let pass.
_HELD: Final = 1.5
_NOISE_MS: Final = 50.0
_MOST_LOSS: Final = 0.001


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def samples(times: Iterable[dict[str, Any]], road: str, figure: str) -> list[float]:
    """Pick one figure of one road; calls that never came to it are left out."""
    return [t[figure] for t in times if t["road"] == road and t[figure] is not None]


def latency(times: list[dict[str, Any]], figures: Figures = FIGURES) -> str:
    """Compare the roads, figure by figure."""
    rows: list[Sequence[object]] = []
    for figure, name, bound, goal in figures:
        ours, theirs = samples(times, "ours", figure), samples(times, "baseline", figure)
        if not ours or not theirs:
            continue
        at_median = ratio(ours, theirs, 0.5)
        rows.append(
            (
                name,
                _spread(ours),
                _spread(theirs),
                at_median,
                ratio(ours, theirs, 0.95),
                _verdict(at_median.value, bound, goal),
            )
        )
    head = ("figure", "ours p50 / p95 / max", "baseline p50 / p95 / max")
    return table((*head, "ratio at p50", "ratio at p95", "bound"), rows)


def steps(times: list[dict[str, Any]]) -> str:
    """Tell where a reply's time goes beside the models' own delays, by the median of each step."""
    known: list[dict[str, float]] = [t["reply_steps"] for t in times if t["reply_steps"]]
    names = list(known[0]) if known else []
    rows: list[Sequence[object]] = []
    for name in names:
        found = [
            [t["reply_steps"][name] for t in times if t["road"] == road and t["reply_steps"]]
            for road in ("ours", "baseline")
        ]
        rows.append((name, *(f"{median(f):,.0f} ms" if f else "-" for f in found)))
    return table(("a reply's steps at p50", "ours", "baseline"), rows)


def _spread(values: Sequence[float]) -> str:
    told = [f"{quantile(values, share):,.0f}" for share in (0.5, 0.95)]
    return f"{' / '.join(told)} / {max(values):,.0f} ms (n={len(values)})"


def _verdict(value: float, bound: float | None, goal: float | None = None) -> str:
    if bound is None:
        return "-"
    aim = f", goal {goal}x {'met' if value <= goal else 'missed'}" if goal is not None else ""
    return f"{bound}x {'met' if value <= bound else '**missed**'}{aim}"


def shipped(found: list[dict[str, Any]]) -> str:
    """Tell how many of the calls that were asked for rang."""
    rows = [
        (
            f["road"],
            f["kind"],
            f["calls"],
            f["rang"],
            f"{f['last_invite_seconds']:.1f} s" if "last_invite_seconds" in f else "-",
        )
        for f in found
    ]
    return table(("road", "calls", "asked for", "rang", "last INVITE after"), rows)


def load(levels: list[dict[str, Any]]) -> str:
    """Tell what each number of calls cost, and what was heard."""
    head = ("road", "calls", "processes", "PSS", "CPU-s per call-minute", "of livekit and sip")
    head = (*head, "loss", "longest gap", "first audio p50 / p95", "reply p50 / p95", "held")
    return table(head, [_level_row(level, levels) for level in levels])


def _level_row(level: dict[str, Any], levels: list[dict[str, Any]]) -> Sequence[object]:
    audio = audio_of(level)
    return (
        level["road"],
        level["calls"] if level["up"] == level["calls"] else f"{level['up']} of {level['calls']}",
        level["processes"],
        f"{level['pss'] / 1e6:,.0f} MB" if level["up"] or not level["calls"] else "-",
        _number(level["cpu_per_call_minute"]),
        _number(level["servers_cpu_per_call_minute"]),
        "-" if level["loss"] is None else f"{level['loss']:.3%}",
        f"{level['longest_gap']:.0f} ms" if level["calls"] else "-",
        _pair(audio),
        _pair(level["replies"]),
        ("yes" if held(level, levels) else "no") if level["calls"] else "-",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _pair(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{quantile(values, 0.5):,.0f} / {quantile(values, 0.95):,.0f} ms (n={len(values)})"


def audio_of(level: dict[str, Any]) -> list[float]:
    """Give the times to the first audio of the calls placed beside the others."""
    return [p["answer_to_audio"] for p in level["probes"] if p["answer_to_audio"] is not None]


def held(level: dict[str, Any], levels: list[dict[str, Any]]) -> bool:
    """Tell whether a road still held so many calls.

    Shape: all are up, loss is below 0.1 %, and the 95th percentiles of first audio and reply are
    within one and a half of the same road's own with the fewest calls.
    """
    own = [other for other in levels if other["road"] == level["road"] and other["calls"]]
    first = min(own, key=lambda other: other["calls"])
    if level["up"] < level["calls"] or level["loss"] is None or level["loss"] >= _MOST_LOSS:
        return False
    pairs = ((audio_of(level), audio_of(first)), (level["replies"], first["replies"]))
    return all(now and then and _within(now, then) for now, then in pairs)


def _within(now: Sequence[float], then: Sequence[float]) -> bool:
    return quantile(now, 0.95) <= _HELD * quantile(then, 0.95) + _NOISE_MS


def knee(levels: list[dict[str, Any]], road: str) -> int:
    """Give the most calls that the road held, with every smaller level held too; 0 for none."""
    most = 0
    for level in sorted(levels, key=lambda found: found["calls"]):
        if level["road"] == road and level["calls"]:
            if not held(level, levels):
                break
            most = level["calls"]
    return most


def load_ratios(levels: list[dict[str, Any]]) -> str:
    """Compare memory, CPU and first audio, level by level."""
    rows: list[Sequence[object]] = []
    for calls in sorted({level["calls"] for level in levels if level["calls"]}):
        both = [_one(levels, road, calls) for road in ("ours", "baseline")]
        if both[0] is None or both[1] is None or not both[0]["up"] or not both[1]["up"]:
            continue
        ours, theirs = both[0], both[1]
        pss = ours["pss"] / theirs["pss"]
        cpu = ours["cpu_per_call_minute"] / theirs["cpu_per_call_minute"]
        audio, other = audio_of(ours), audio_of(theirs)
        first = ratio(audio, other, 0.5) if audio and other else "-"
        reply = "-"
        if ours["replies"] and theirs["replies"]:
            reply = str(ratio(ours["replies"], theirs["replies"], 0.5))
        bound = (0.6, 0.4) if calls >= 10 else (None, None)
        rows.append(
            (
                calls,
                f"{pss:.2f}: {_verdict(pss, *bound)}",
                f"{cpu:.2f}: {_verdict(cpu, 0.67)}",
                first,
                reply,
            )
        )
    head = ("calls at once", "PSS", "CPU per call-minute", "first audio at p50", "reply at p50")
    return table(head, rows)


def _one(levels: list[dict[str, Any]], road: str, calls: int) -> dict[str, Any] | None:
    return next((x for x in levels if x["road"] == road and x["calls"] == calls), None)


def api(rounds: list[dict[str, Any]]) -> str:
    """Compare POST /calls with the emptied route, by the median of the rounds."""
    rows: list[Sequence[object]] = []
    for database in sorted({found["database"] for found in rounds}):
        told = {
            kind: [r for r in rounds if r["database"] == database and r["kind"] == kind]
            for kind in ("durable", "emptied", "bare")
        }
        rate = {kind: median(r["per_second"] for r in found) for kind, found in told.items()}
        share = rate["durable"] / rate["emptied"]
        p95 = {kind: median(r["p95_ms"] for r in found) for kind, found in told.items()}
        busiest = max(r["cpu_share"] for found in told.values() for r in found)
        rows.append(
            (
                database,
                f"{rate['durable']:,.0f}/s, p95 {p95['durable']:.0f} ms",
                f"{rate['emptied']:,.0f}/s, p95 {p95['emptied']:.0f} ms",
                f"{rate['bare']:,.0f}/s",
                f"{share:.2f}: 0.25 {'met' if share >= 0.25 else '**missed**'}",
                f"{busiest:.0%} of a core",
            )
        )
    head = ("database", "durable", "emptied", "bare", "durable / emptied", "generator at most")
    return f"{table(head, rows)}\n\n{_turned_away(rounds)}".rstrip()


def _turned_away(rounds: list[dict[str, Any]]) -> str:
    """Tell how soon a full queue refuses, where that was measured."""
    rows = [
        (
            found["database"],
            f"{found['per_second']:,.0f}/s",
            f"{found['p50_ms']:.0f} / {found['p95_ms']:.0f} / {found['most_ms']:.0f} ms",
            f"{100 * found['within_100_ms']:.2f}%",
            f"100 ms {'met' if found['most_ms'] <= 100 else '**missed**'}",
        )
        for found in rounds
        if found["kind"] == "turned away"
    ]
    head = (
        "queue full on",
        "refused with 429",
        "p50 / p95 / max",
        "within 100 ms",
        "every one within",
    )
    return table(head, rows) if rows else ""
