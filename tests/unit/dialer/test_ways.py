"""The ways of one round of the dispatcher."""

from __future__ import annotations

from dialer.calls.pacing import RollingPacer
from dialer.routing.choose import Standing, Wish
from dialer.routing.health import Breaker
from dialer.routing.trunk import Line, Trunk
from dialer.routing.ways import Obstacle, Ways
from telephony.call import WaitingFor
from tests.kit.trunks import trunk

WISH = Wish("+14155550100")


def ways(*trunks: Trunk, **standing: Standing) -> Ways:
    """Make the ways over these trunks, at one moment."""
    lines = {one.name: Line(one, f"ST_{one.name}") for one in trunks}
    known = {name: standing.get(name, Standing()) for name in lines}
    return Ways(lines, known, RollingPacer(clock=lambda: 0.0))


async def found(of: Ways, wish: Wish = WISH) -> str:
    """Name the trunk that is found, or what is waited for."""
    way = await of.find(wish)
    return way.waiting_for.value if isinstance(way, Obstacle) else way.trunk.name


async def test_what_the_pace_of_one_trunk_holds_back_leaves_by_the_next() -> None:
    of = ways(trunk("a", cps=2, priority=1), trunk("b", cps=1, priority=2))
    assert [await found(of) for _ in range(4)] == ["a", "a", "b", "pacing"]
    assert of.none_left


async def test_a_full_trunk_holds_up_nobody_whom_another_can_carry() -> None:
    of = ways(
        trunk("a", concurrency=3, priority=1),
        trunk("b", prefixes=("+44",)),
        a=Standing(carries=2),
    )
    assert [await found(of) for _ in range(2)] == ["a", "capacity"]
    assert await found(of, Wish("+442079460000")) == "b"
    assert not of.none_left


async def test_what_passes_soonest_is_what_is_waited_for() -> None:
    of = ways(trunk("a", concurrency=1, priority=1), trunk("b", cps=1), a=Standing(carries=1))
    assert [await found(of) for _ in range(2)] == ["b", "pacing"]


async def test_a_call_that_no_trunk_is_left_for_waits_for_a_trunk() -> None:
    of = ways(trunk("a"))
    assert await found(of, Wish(WISH.to, refused_by={"a"})) == "trunk"
    assert not of.none_left


async def test_one_call_tries_a_trunk_that_failed_and_the_others_take_another() -> None:
    of = ways(trunk("a", priority=1), trunk("b"), a=Standing(Breaker.HALF_OPEN))
    assert [await found(of) for _ in range(3)] == ["a", "b", "b"]


async def test_calls_spread_over_trunks_that_are_alike() -> None:
    of = ways(trunk("a"), trunk("b"), a=Standing(carries=1))
    assert [await found(of) for _ in range(4)] == ["b", "a", "b", "a"]


async def test_no_token_of_a_trunk_is_spent_on_a_call_that_it_does_not_carry() -> None:
    of = ways(trunk("a", prefixes=("+44",), cps=1), trunk("b", cps=1))
    assert await found(of) == "b"
    assert await found(of, Wish("+442079460000")) == "a"


async def test_the_token_of_a_call_that_somebody_else_took_is_the_next_ones() -> None:
    of = ways(trunk("a", cps=2))
    assert await found(of) == "a"
    of.unused("a")
    assert [await found(of) for _ in range(3)] == ["a", "a", "pacing"]


async def test_a_token_that_nothing_left_with_is_given_back() -> None:
    of = ways(trunk("a", cps=1))
    assert await found(of) == "a"
    of.unused("a")
    await of.give_back()
    assert [await found(of) for _ in range(2)] == ["a", "pacing"]


async def test_that_the_pace_alone_holds_all_up_is_known() -> None:
    of = ways(trunk("a", cps=0.5, priority=1), trunk("b", cps=1))
    assert [await found(of) for _ in range(3)] == ["a", "b", "pacing"]
    assert of.paced_for == 1.0
    of.full("b")
    assert of.paced_for == 0, "a slot may come free at any time"


async def test_one_look_comes_late_enough_for_several_tokens() -> None:
    of = ways(trunk("a", cps=0.5))
    of.ahead = 0.5
    await of.find(WISH)
    assert await of.find(WISH) == Obstacle(WaitingFor.PACING, 1.75)


async def test_an_obstacle_tells_when_to_look_again() -> None:
    of = ways(trunk("a", cps=0.5))
    await of.find(WISH)
    assert await of.find(WISH) == Obstacle(WaitingFor.PACING, 2.0)
