"""Ids of calls and attempts: nobody guesses one, and the database finds new ones together."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from telephony.call import new_attempt_id, new_call_id

NOW = datetime(2026, 3, 14, 9, 26, 53, 589_000, tzinfo=UTC)

both = pytest.mark.parametrize(("make", "kind"), [(new_call_id, "call"), (new_attempt_id, "att")])


@both
def test_an_id_has_its_kind_and_32_digits(make: Callable[[datetime], str], kind: str) -> None:
    for now in (NOW, datetime(1969, 7, 20, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert re.fullmatch(rf"{kind}_[0-9a-f]{{32}}", make(now))


@both
def test_ids_sort_by_the_time_that_they_were_made_at(
    make: Callable[[datetime], str], kind: str
) -> None:
    made = [make(NOW + timedelta(milliseconds=n * n)) for n in range(200)]
    assert made == sorted(made)


@both
def test_of_one_moment_no_two_ids_are_alike_and_none_follows_from_another(
    make: Callable[[datetime], str], kind: str
) -> None:
    made = [make(NOW) for _ in range(2_000)]
    # 80 bits of chance: each digit behind the time takes every value.
    assert len({one[-20:] for one in made}) == len(made)
    assert all(len({one[-place] for one in made}) == 16 for place in range(1, 21))
