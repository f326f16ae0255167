"""The distributions as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot

_COLOURS: Final = {"ours": "#0b7285", "baseline": "#c92a2a"}
_pyplot: Any = pyplot  # its own types are incomplete


def distributions(
    path: Path, title: str, unit: str, samples: Mapping[str, Sequence[float]], goal: float | None
) -> None:
    """Draw the share of calls that took at most so long, one line for each road."""
    figure, axes = _pyplot.subplots(figsize=(7, 4))
    for road, values in samples.items():
        ordered = np.sort(np.asarray(values))
        shares = np.arange(1, len(ordered) + 1) / len(ordered)
        colour = _COLOURS.get(road)
        label = f"{road} (n={len(ordered)})"
        axes.step(ordered, shares, where="post", color=colour, label=label)
        axes.plot(ordered, np.zeros(len(ordered)) - 0.03, "|", color=colour)
    if goal is not None:
        axes.axvline(goal, linestyle=":", color="grey", label=f"bound ({goal:.0f} {unit})")
    axes.set(title=title, xlabel=unit, ylabel="share of calls")
    axes.set_xlim(left=0)
    _keep(figure, axes, path)


def by_level(path: Path, title: str, unit: str, lines: Mapping[str, Mapping[int, float]]) -> None:
    """Draw a figure over the number of calls at once."""
    figure, axes = _pyplot.subplots(figsize=(7, 4))
    for road, points in lines.items():
        calls = sorted(points)
        values = [points[n] for n in calls]
        axes.plot(calls, values, marker="o", color=_COLOURS.get(road), label=road)
    axes.set(title=title, xlabel="calls at once", ylabel=unit)
    axes.set_ylim(bottom=0)
    _keep(figure, axes, path)


def over_time(
    path: Path, title: str, unit: str, lines: Mapping[str, Sequence[tuple[float, float]]]
) -> None:
    """Draw figures over the minutes of a run."""
    figure, axes = _pyplot.subplots(figsize=(7, 4))
    for name, points in lines.items():
        axes.plot([minute for minute, _ in points], [value for _, value in points], label=name)
    axes.set(title=title, xlabel="minutes", ylabel=unit)
    axes.set_ylim(bottom=0)
    _keep(figure, axes, path)


def _keep(figure: Any, axes: Any, path: Path) -> None:
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    _pyplot.close(figure)
