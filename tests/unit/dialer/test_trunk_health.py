"""How well a trunk does, and when it is left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dialer.routing.health import (
    FIRST_REST,
    LONGEST_REST,
    MOST_FAILURES,
    Breaker,
    Health,
    to_blame,
)
from telephony.call import EndedReason
from tests.kit.fakes import EPOCH


def failing(times: int) -> Health:
    """Make the health of a trunk that just failed so often."""
    return Health(uses=times, failed=times, failures_in_a_row=times, failed_at=EPOCH)


def test_ratios_are_of_what_they_say() -> None:
    how = Health(uses=10, answered=4, failed=3, short=1, talked=100.0)
    assert how.answer_seizure_ratio == 0.4
    assert how.average_duration == 25.0
    assert how.short_share == 0.25
    assert how.grade == 0.7


def test_of_a_trunk_that_was_not_used_nothing_is_said_and_nothing_bad_thought() -> None:
    how = Health()
    assert (how.answer_seizure_ratio, how.average_duration, how.short_share) == (None, None, None)
    assert (how.grade, how.breaker(EPOCH, trying=False)) == (1.0, Breaker.CLOSED)


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_try_after_a_rest() -> None:
    assert failing(MOST_FAILURES - 1).breaker(EPOCH, trying=False) is Breaker.CLOSED
    how = failing(MOST_FAILURES)
    assert how.breaker(EPOCH, trying=False) is Breaker.OPEN
    later = EPOCH + FIRST_REST
    assert how.breaker(later, trying=False) is Breaker.HALF_OPEN
    assert how.breaker(later, trying=True) is Breaker.OPEN


def test_each_try_that_fails_doubles_the_rest_up_to_the_longest() -> None:
    rests: list[timedelta] = []
    for more in range(12):
        how, rest = failing(MOST_FAILURES + more), timedelta(0)
        while how.breaker(EPOCH + rest, trying=False) is Breaker.OPEN:
            rest += timedelta(seconds=10)
        rests.append(rest)
    assert rests[:3] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST]
    assert rests[-1] == LONGEST_REST and rests == sorted(rests)


@pytest.mark.parametrize(
    ("reason", "answered", "failed"),
    [
        (EndedReason.CARRIER_UNAVAILABLE, False, True),
        (EndedReason.TRUNK_AUTH, False, True),
        (EndedReason.NO_RESPONSE, False, True),
        (EndedReason.BUSY, False, False),
        (EndedReason.UNALLOCATED, False, False),
        (EndedReason.CARRIER_ERROR, True, False),
        (EndedReason.CALLEE_HANGUP, True, False),
        (EndedReason.BRIDGE_LOST, False, None),
        (EndedReason.API_HANGUP, False, None),
        (EndedReason.NO_AGENT, False, None),
    ],
)
def test_only_what_the_trunk_did_is_held_against_it(
    reason: EndedReason, answered: bool, failed: bool | None
) -> None:
    assert to_blame(reason, answered=answered) is failed
