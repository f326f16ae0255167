"""How fast calls may leave."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.calls.pacing import RECOVERY, Pace, RollingPacer, Slowness
from dialer.routing.turn import wait_for_turn
from telephony.errors import Unavailable
from tests.kit.trunks import trunk


@pytest.mark.parametrize(
    ("cps", "pace"),
    [(1, Pace(1, 1.0)), (5, Pace(5, 1.0)), (2.9, Pace(2, 1.0)), (0.5, Pace(1, 2.0))],
)
def test_calls_per_second_become_a_window(cps: float, pace: Pace) -> None:
    assert Pace.of(cps) == pace


@given(
    cps=st.floats(0.1, 20),
    steps=st.lists(st.floats(0, 1.5), min_size=1, max_size=60),
)
async def test_no_window_ever_holds_more_than_it_may(cps: float, steps: list[float]) -> None:
    time = 0.0
    pacer, pace, given_at = RollingPacer(clock=lambda: time), Pace.of(cps), list[float]()
    for step in steps:
        time += step
        wait = await pacer.take("t", pace)
        if wait == 0:
            given_at.append(time)
        else:
            assert 0 < wait <= pace.seconds + 1e-9
    for at in given_at:
        inside = [other for other in given_at if at - pace.seconds + 1e-9 < other <= at]
        assert len(inside) <= pace.calls


@given(
    cps=st.floats(0.1, 20),
    steps=st.lists(
        st.tuples(st.floats(0, 1.5), st.floats(0, 0.5), st.booleans()), min_size=1, max_size=60
    ),
)
async def test_no_window_holds_more_where_tokens_are_had_before_their_moments(
    cps: float, steps: list[tuple[float, float, bool]]
) -> None:
    time = 0.0
    pacer, pace, moments = RollingPacer(clock=lambda: time), Pace.of(cps), list[float]()
    for step, ahead, gives_back in steps:
        time += step
        wait = await pacer.take("t", pace, ahead=ahead)
        if wait > 0:
            continue
        assert -wait <= ahead + 1e-9
        if gives_back:
            await pacer.give_back("t")
        else:
            moments.append(time - wait)
    assert all(later >= at - 1e-9 for at, later in pairwise(moments))
    for at in moments:
        inside = [other for other in moments if at - pace.seconds + 1e-6 < other <= at]
        assert len(inside) <= pace.calls


async def test_who_comes_a_little_before_each_token_loses_nothing_of_the_pace() -> None:
    time = 0.0
    pacer, pace, moments = RollingPacer(clock=lambda: time), Pace.of(1), list[float]()
    for second, early in enumerate((0, 0.2, 0.01, 0.1, 0.25, 0.0)):
        time = second - early
        wait = await pacer.take("t", pace, ahead=0.25)
        assert wait <= 0
        moments.append(time - wait)
    assert moments == pytest.approx([0, 1, 2, 3, 4, 5])
    assert await pacer.take("t", pace, ahead=0.25) == pytest.approx(0.75)


async def test_the_wait_that_it_names_is_long_enough() -> None:
    time = 0.0
    pacer, pace = RollingPacer(clock=lambda: time), Pace.of(2)
    assert [await pacer.take("t", pace) for _ in range(3)] == [0, 0, 1.0]
    time = 1.0
    assert await pacer.take("t", pace) == 0


async def test_a_token_that_is_given_back_is_there_again() -> None:
    pacer, pace = RollingPacer(clock=lambda: 0.0), Pace.of(1)
    assert await pacer.take("t", pace) == 0
    assert await pacer.take("t", pace) > 0
    await pacer.give_back("t")
    await pacer.give_back("nobody")
    assert await pacer.take("t", pace) == 0


async def test_an_invite_waits_for_its_turn() -> None:
    pacer, loop = RollingPacer(), asyncio.get_running_loop()
    paced = trunk("t", cps=5)
    began = loop.time()
    for _ in range(6):
        await wait_for_turn(paced, pacer)
    assert loop.time() - began >= 1.0


async def test_an_invite_whose_turn_is_too_far_away_is_told_so_at_once() -> None:
    pacer, rare = RollingPacer(clock=lambda: 0.0), trunk("t", cps=0.01)
    await wait_for_turn(rare, pacer)
    with pytest.raises(Unavailable) as caught:
        await wait_for_turn(rare, pacer)
    assert caught.value.code == "trunk_paced"


async def test_trunks_do_not_slow_each_other() -> None:
    pacer, pace = RollingPacer(clock=lambda: 0.0), Pace.of(1)
    assert await pacer.take("a", pace) == 0
    assert await pacer.take("b", pace) == 0


async def test_a_trunk_that_is_slowed_down_gets_half_and_recovers() -> None:
    time = 0.0
    pacer, pace = RollingPacer(clock=lambda: time), Pace.of(4)

    async def in_a_second() -> int:
        return [await pacer.take("t", pace) for _ in range(8)].count(0.0)

    await pacer.slow_down("t")
    assert await in_a_second() == 2
    time = 1.5
    await pacer.slow_down("t")
    assert await in_a_second() == 1
    time = 1.5 + RECOVERY
    assert await in_a_second() == 2
    time = 1.5 + 2 * RECOVERY
    assert await in_a_second() == 4
    assert await pacer.take("other", pace) == 0


async def test_signs_about_calls_that_had_left_already_slow_nothing_more() -> None:
    time = 0.0
    pacer, pace = RollingPacer(clock=lambda: time), Pace.of(8)
    for _ in range(5):
        await pacer.slow_down("t")
    assert [await pacer.take("t", pace) for _ in range(8)].count(0.0) == 4


async def test_what_left_slowly_still_counts_when_the_pace_comes_back() -> None:
    time = 0.0
    pacer, pace = RollingPacer(clock=lambda: time), Pace.of(1)
    await pacer.slow_down("t")
    time = RECOVERY - 0.1
    assert await pacer.take("t", pace) == 0
    time = RECOVERY + 0.1
    assert await pacer.take("t", pace) > 0


@given(st.lists(st.floats(0, 30), max_size=40))
def test_a_share_is_never_nothing_and_never_more_than_all(steps: list[float]) -> None:
    slow, now = Slowness(), 0.0
    for step in steps:
        now += step
        slow = slow.slower(now)
        assert 0 < slow.share_at(now) < 1
    assert slow.share_at(now + 8 * RECOVERY) == 1
