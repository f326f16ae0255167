"""What the benchmark says of a pace: was it kept, and how much of it was used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.statistics import most_within, share_used

SECOND = 1_000_000


def bursts(calls: int, seconds: int, *, late: int = 0) -> list[float]:
    """Give all of a second's calls at once, each second so much later than it could be."""
    return [second * (SECOND + late) + n for second in range(seconds) for n in range(calls)]


def test_calls_a_whole_second_apart_are_not_in_one_second() -> None:
    assert most_within([0, SECOND, 2 * SECOND], SECOND) == 1
    assert most_within([0, SECOND - 1, 2 * SECOND], SECOND) == 2


def test_a_second_that_begins_anywhere_is_looked_at() -> None:
    # Two in each second of the clock, and four around its turn.
    moments = [0.0, 0.9, 0.95, 1.0, 1.05, 2.0]
    assert most_within([m * SECOND for m in moments], SECOND) == 4


def test_no_call_is_no_window() -> None:
    assert most_within([], SECOND) == 0


@given(st.lists(st.integers(min_value=0, max_value=5 * SECOND), min_size=1, max_size=60))
def test_the_fullest_window_is_what_counting_each_finds(moments: list[int]) -> None:
    counted = max(sum(first <= m < first + SECOND for m in moments) for first in moments)
    assert most_within(moments, SECOND) == counted


@pytest.mark.parametrize("calls", [1, 5, 20])
def test_bursts_at_the_limit_use_all_of_it(calls: int) -> None:
    assert share_used(bursts(calls, 10), calls, SECOND) == 1.0
    assert most_within(bursts(calls, 10), SECOND) == calls


@pytest.mark.parametrize("calls", [1, 5, 20])
def test_each_second_that_begins_late_is_missed_from_the_share(calls: int) -> None:
    found = share_used(bursts(calls, 10, late=SECOND // 10), calls, SECOND)
    assert found == pytest.approx(1 / 1.1)


def test_evenly_spread_calls_use_it_as_well_as_bursts() -> None:
    assert share_used([n * 50_000 for n in range(200)], 20, SECOND) == 1.0


def test_too_few_calls_tell_no_share() -> None:
    assert share_used([], 5, SECOND) is None
    assert share_used([0, 1, 2, 3, 4], 5, SECOND) is None
