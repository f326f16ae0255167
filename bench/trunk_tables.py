"""The figures of plans and of paces as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from bench.tables import table

#: The least share of a pace that is to be used while work waits.
_USED: Final = 0.97


def plans(found: list[dict[str, Any]]) -> str:
    """Tell what a plan takes in each situation, by the median of its repetitions."""
    rows: list[Sequence[object]] = []
    for kind in dict.fromkeys(one["kind"] for one in found):
        those = [one for one in found if one["kind"] == kind]
        last = those[-1]
        rows.append(
            (
                kind,
                last["pending"],
                sum(last["twilio"].values()),
                sum(last["livekit"].values()),
                _once(those),
                f"{_median(those, 'seconds'):.2f} s (n={len(those)})",
                f"{_median(those, 'read'):.2f} s",
                f"{_median(those, 'looked'):.2f} s",
                f"{_median(those, 'compared'):.2f} s",
                f"{_own(those):.0%}",
            )
        )
    head = ("what is there", "steps", "requests to Twilio", "to LiveKit", "each list fetched once")
    head = (*head, "whole plan", "reading the file", "listing", "comparing", "our own CPU")
    return table(head, rows)


def _median(those: list[dict[str, Any]], figure: str) -> float:
    return median(one[figure] for one in those)


def _own(those: list[dict[str, Any]]) -> float:
    return median(one["own_cpu"] / one["seconds"] for one in those)


def _once(those: list[dict[str, Any]]) -> str:
    most = max(max(one["most_often"], one["livekit_most_often"]) for one in those)
    return "yes" if most == 1 else f"**no**: one of them {most} times"


def lists(found: list[dict[str, Any]]) -> str:
    """Tell which lists the last plan fetched, and in how many requests."""
    last = found[-1]
    rows: list[Sequence[object]] = [
        (f"Twilio: {name}", last["twilio_lists"][name], requests)
        for name, requests in last["twilio"].items()
    ]
    rows += [(f"LiveKit: {name}", 1, requests) for name, requests in last["livekit"].items()]
    return table(("list", "lists", "requests"), rows)


def paces(found: list[dict[str, Any]]) -> str:
    """Tell whether each pace was kept, and how much of it was used."""
    rows: list[Sequence[object]] = []
    for level in found:
        cps = level["cps"]
        kept = "never above" if level["most"] <= cps else "**above**"
        rows.append(
            (
                cps,
                level["joining"],
                f"{level['tokens']} in {level['seconds']:.0f} s",
                f"{level['most']}: {kept}",
                f"{_percent(level['share'])}: {_used(level)}",
                level["most_had"],
                _percent(level["share_had"]),
                level["waiting"],
                f"{level['cores']:.1f} cores",
            )
        )
    head = ("calls a second", "agents joining at once", "permits", "most in a rolling second")
    head = (*head, "used of it", "most, as they arrived", "used, as they arrived")
    head = (*head, "still waited in the end", "CPU of the four dialers")
    return table(head, rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _used(level: dict[str, Any]) -> str:
    if level["share"] is None or level["waiting"] <= 0:
        return "not told"
    return f"{_USED:.0%} {'met' if level['share'] >= _USED else '**missed**'}"
