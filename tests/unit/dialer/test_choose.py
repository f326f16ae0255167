"""Which trunk a call leaves by."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.routing.choose import Standing, Wish, choose
from dialer.routing.health import Breaker, Health
from dialer.routing.trunk import Trunk
from tests.kit.trunks import trunk

CALLEE = "+14155550100"
NUMBERS = ("+14155550197", "+14155550198", "+14155550199")


def names(trunks: list[Trunk]) -> list[str]:
    """Give the trunks' names, in order."""
    return [one.name for one in trunks]


def test_the_longest_prefix_wins_over_the_priority() -> None:
    trunks = [
        trunk("all", priority=1),
        trunk("us", prefixes=("+1",), priority=2),
        trunk("bay", prefixes=("+44", "+1415"), priority=3),
        trunk("uk", prefixes=("+44",), priority=0),
    ]
    assert names(choose(trunks, Wish(CALLEE))) == ["bay", "us", "all"]


def test_the_lowest_priority_number_goes_first_then_who_fails_less_then_who_carries_less() -> None:
    trunks = [trunk("c"), trunk("d"), trunk("b"), trunk("a", priority=20), trunk("e")]
    standing = {
        "c": Standing(health=Health(uses=10, failed=5)),
        "b": Standing(carries=3),
        "d": Standing(carries=1),
        "e": Standing(carries=2),
    }
    assert names(choose(trunks, Wish(CALLEE), standing)) == ["d", "e", "b", "c", "a"]


def test_a_trunk_whose_breaker_is_open_is_better_than_none() -> None:
    trunks = [trunk("good", priority=99), trunk("bad", prefixes=("+1415",), priority=0)]
    standing = {"bad": Standing(Breaker.OPEN)}
    assert names(choose(trunks, Wish(CALLEE), standing)) == ["good", "bad"]
    assert names(choose(trunks[1:], Wish(CALLEE), standing)) == ["bad"]


def test_a_trunk_that_is_half_open_has_its_turn() -> None:
    trunks = [trunk("a"), trunk("b", priority=5)]
    failing = Health(uses=20, failed=20, failures_in_a_row=20)
    standing = {"b": Standing(Breaker.HALF_OPEN, failing)}
    assert names(choose(trunks, Wish(CALLEE), standing)) == ["b", "a"]


def test_a_caller_id_that_was_asked_for_leaves_only_the_trunks_that_own_it() -> None:
    trunks = [trunk("a", numbers=NUMBERS[:1]), trunk("b", numbers=NUMBERS[1:])]
    assert names(choose(trunks, Wish(CALLEE, NUMBERS[2]))) == ["b"]
    assert names(choose(trunks, Wish(CALLEE))) == ["a", "b"]


def test_a_trunk_whose_only_number_is_the_callees_cannot_call_it() -> None:
    trunks = [trunk("a", numbers=(CALLEE,)), trunk("b", numbers=(CALLEE, NUMBERS[0]))]
    assert names(choose(trunks, Wish(CALLEE))) == ["b"]
    assert trunks[1].shows(None, to=CALLEE) == NUMBERS[0]


@pytest.mark.parametrize(
    ("prefixes", "fit"),
    [((), 0), (("+",), 1), (("+1", "+1415"), 5), (("+44",), None), (("+14155550100",), 12)],
)
def test_a_trunk_fits_by_its_longest_prefix(prefixes: tuple[str, ...], fit: int | None) -> None:
    assert trunk("a", prefixes=prefixes).fit(CALLEE) == fit


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Has Capitals"},
        {"address": ""},
        {"numbers": ()},
        {"username": "alone"},
        {"cps": 0},
        {"concurrency": 0},
        {"prefixes": ("1415",)},
        {"headers": {"From": "x"}},
        {"headers": {"X-A": "one\r\nVia: two"}},
    ],
)
def test_what_no_trunk_can_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(trunk("a"), **wrong)  # type: ignore[arg-type]


TRUNKS = st.lists(
    st.builds(
        trunk,
        st.sampled_from("abcdefgh"),
        priority=st.integers(0, 3),
        prefixes=st.lists(st.sampled_from(["+", "+1", "+14", "+1415", "+44"]), max_size=3).map(
            tuple
        ),
        numbers=st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=2, unique=True).map(tuple),
        enabled=st.booleans(),
    ),
    unique_by=lambda one: one.name,
)
WISHES = st.builds(
    Wish,
    st.sampled_from([CALLEE, "+442079460000", "+4930123456"]),
    st.none() | st.sampled_from(NUMBERS),
    st.frozensets(st.sampled_from("abcdefgh"), max_size=4),
)
STANDINGS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.builds(
        Standing,
        st.sampled_from(Breaker),
        st.builds(Health, uses=st.just(10), failed=st.integers(0, 10)),
        st.integers(0, 5),
    ),
)


@given(trunks=TRUNKS, wish=WISHES, standing=STANDINGS)
def test_each_choice_can_carry_the_call_and_none_that_can_is_left_out(
    trunks: list[Trunk], wish: Wish, standing: dict[str, Standing]
) -> None:
    chosen = choose(trunks, wish, standing)
    assert len(set(names(chosen))) == len(chosen)
    for one in trunks:
        can = (
            one.enabled
            and one.name not in wish.refused_by
            and one.fit(wish.to) is not None
            and (wish.caller_id is None or wish.caller_id in one.numbers)
        )
        assert (one in chosen) is can


@given(trunks=TRUNKS, wish=WISHES, standing=STANDINGS, seed=st.integers())
def test_the_order_does_not_depend_on_how_they_are_listed(
    trunks: list[Trunk], wish: Wish, standing: dict[str, Standing], seed: int
) -> None:
    shuffled = trunks[:]
    random.Random(seed).shuffle(shuffled)
    assert choose(shuffled, wish, standing) == choose(trunks, wish, standing)


@given(trunks=TRUNKS, wish=WISHES, standing=STANDINGS)
def test_open_ones_are_last_and_among_the_others_the_longest_prefix_is_first(
    trunks: list[Trunk], wish: Wish, standing: dict[str, Standing]
) -> None:
    chosen = choose(trunks, wish, standing)
    closed = [
        one for one in chosen if standing.get(one.name, Standing()).breaker is not Breaker.OPEN
    ]
    assert chosen[: len(closed)] == closed
    fits = [one.fit(wish.to) or 0 for one in closed]
    assert fits == sorted(fits, reverse=True)
    for before, after in itertools.pairwise(closed):
        if before.fit(wish.to) == after.fit(wish.to):
            assert before.priority <= after.priority


@given(trunks=TRUNKS, wish=WISHES, standing=STANDINGS)
def test_a_call_that_is_refused_again_and_again_meets_every_trunk_once(
    trunks: list[Trunk], wish: Wish, standing: dict[str, Standing]
) -> None:
    met: list[str] = []
    while left := choose(trunks, replace(wish, refused_by={*wish.refused_by, *met}), standing):
        met.append(left[0].name)
    assert sorted(met) == sorted(names(choose(trunks, wish, standing)))
