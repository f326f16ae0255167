"""Medians, quantiles and ratios with what chance may have made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_RESAMPLES: Final = 5_000
_SEED: Final = 20_260


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bootstrapped 95 % confidence interval (percentiles)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def quantile(values: Sequence[float], share: float) -> float:
    """Give a quantile; linear between neighbours."""
    return float(np.quantile(np.asarray(values), share))


def ratio(ours: Sequence[float], theirs: Sequence[float], share: float) -> Interval:
    """Compare the same quantile of two samples, each drawn again on its own."""
    random = np.random.default_rng(_SEED)
    drawn = _drawn(ours, share, random) / _drawn(theirs, share, random)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(quantile(ours, share) / quantile(theirs, share), float(low), float(high))


def _drawn(
    values: Sequence[float], share: float, random: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    sample = np.asarray(values, dtype=np.float64)
    drawn = random.choice(sample, size=(_RESAMPLES, len(sample)))
    return np.asarray(np.quantile(drawn, share, axis=1), dtype=np.float64)


def most_within(moments: Sequence[float], window: float) -> int:
    """Give the most moments that lie within any window of this length.

    Shape: two that are exactly a window apart are not within one.
    """
    ordered = sorted(moments)
    most = first = 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def share_used(moments: Sequence[float], calls: int, window: float) -> float | None:
    """Give the share that was used of a limit of so many calls in any window, while work waited.

    Shape: the least time that the moments need within the limit, over the time that they took; 1 is
    the limit itself. None where they do not reach beyond the first window, or take no time.
    """
    ordered = sorted(moments)
    windows = (len(ordered) - 1) // calls
    if windows < 1 or ordered[windows * calls] == ordered[0]:
        return None
    return windows * window / (ordered[windows * calls] - ordered[0])


def slope(times: Sequence[float], values: Sequence[float]) -> Interval:
    """Fit a line; give its slope with its 95 % interval, as if the residuals were independent.

    Units: the values' for each of the times'. They are not quite independent: take it as a guide.
    """
    x, y = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    x = x - x.mean()
    spread = float((x**2).sum())
    if len(x) < 3 or spread == 0:
        return Interval(0.0, 0.0, 0.0)
    value = float((x * y).sum() / spread)
    rest = y - y.mean() - value * x
    error = 1.96 * float(np.sqrt((rest**2).sum() / (len(x) - 2) / spread))
    return Interval(value, value - error, value + error)
