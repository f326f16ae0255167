"""Making it so: killed, refused, kept waiting, and run again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.far_end import (
    FakeAdapter,
    FarEnd,
    Killed,
    Naps,
    Thing,
    Trouble,
    failing_at,
    killed_at,
    no_trouble,
)
from tests.unit.trunks.wanting import key, want
from trunks.apply import Outcome, Result, apply
from trunks.destroy import destruction
from trunks.errors import TrunkError
from trunks.importing import NoSuchPair, adoptions, only_adopting
from trunks.looking import look
from trunks.plan import plan
from trunks.resources import Adapter, Wanted
from trunks.verify import drift

WANTED = [
    want("trunk", "t", claim="domain:acme", transfer="off"),
    want("list", "l", of_trunk="t"),
    want("entry", "e", of_list="l", password="p", secrets="password"),
    want("number", "+14155550100", of_trunk="t"),
]


async def make_so(
    far_end: FarEnd,
    wanted: Sequence[Wanted],
    *,
    trouble: Trouble = no_trouble,
    naps: Naps | None = None,
) -> list[Result]:
    patience = (naps or Naps()).patience
    adapters: list[Adapter] = [FakeAdapter(far_end, wanted, trouble=trouble)]
    return await apply(plan(wanted, await look(adapters, patience)), adapters, patience=patience)


async def steady(far_end: FarEnd, wanted: Sequence[Wanted]) -> bool:
    """Tell whether another run would change nothing."""
    return await make_so(far_end.copy(), wanted) == []


async def wished_for(wanted: Sequence[Wanted]) -> FarEnd:
    far_end = FarEnd()
    await make_so(far_end, wanted)
    return far_end


async def test_all_is_made_and_the_next_run_has_nothing_to_do() -> None:
    far_end = FarEnd()
    results = await make_so(far_end, WANTED)
    assert [result.outcome for result in results] == [Outcome.DONE] * 4
    assert sorted(thing.name for thing in far_end.things.values()) == sorted(
        one.key.name for one in WANTED
    )
    assert await steady(far_end, WANTED)


async def test_what_somebody_changed_by_hand_is_found_and_mended() -> None:
    far_end = await wished_for(WANTED)
    right = far_end.shape()
    trunk = next(id for id, thing in far_end.things.items() if thing.kind == "trunk")
    far_end.things[trunk].fields["transfer"] = "on"
    far_end.things = {id: one for id, one in far_end.things.items() if one.kind != "number"}
    found = await look([FakeAdapter(far_end)], Naps().patience)
    assert drift(plan(WANTED, found)) == [
        "fake:main trunk acme/t: transfer is on, and should be off.",
        "fake:main number acme/+14155550100 is missing.",
    ]
    await make_so(far_end, WANTED)
    assert far_end.shape() == right


async def test_what_has_no_mark_survives_everything() -> None:
    far_end = FarEnd()
    far_end.add(Thing("trunk", "by hand", {}, {}))
    far_end.add(Thing("trunk", "other/t", {}, {}))
    foreign = far_end.shape()
    await make_so(far_end, WANTED)
    await make_so(far_end, [])
    assert far_end.shape() == foreign
    adapter = FakeAdapter(far_end)
    assert destruction(await look([adapter], Naps().patience)).steps == ()


async def test_destroying_removes_all_of_ours() -> None:
    far_end = await wished_for(WANTED)
    adapter = FakeAdapter(far_end)
    doom = destruction(await look([adapter], Naps().patience))
    results = await apply(doom, [adapter], patience=Naps().patience)
    assert {result.outcome for result in results} == {Outcome.DONE}
    assert far_end.things == {}


async def test_what_is_already_gone_counts_as_deleted() -> None:
    far_end = await wished_for([want("trunk", "t")])
    adapter = FakeAdapter(far_end)
    doom = destruction(await look([adapter], Naps().patience))
    far_end.things.clear()
    results = await apply(doom, [adapter], patience=Naps().patience)
    assert [result.outcome for result in results] == [Outcome.DONE]


# What is lost on the way.

LOST = TrunkError("timeout", "No answer came.", "Run it again.", retryable=True)
BUSY = TrunkError("rate_limited", "Too many requests.", retryable=True, retry_after=7.0)


@pytest.mark.parametrize("number", range(1, 5))
async def test_a_create_whose_answer_is_lost_is_not_made_twice(number: int) -> None:
    far_end = FarEnd()
    results = await make_so(far_end, WANTED, trouble=failing_at([number], LOST, done=True))
    assert {result.outcome for result in results} == {Outcome.DONE}
    assert far_end.shape() == (await wished_for(WANTED)).shape()


@pytest.mark.parametrize("number", range(5))
async def test_a_request_that_never_arrived_is_sent_again(number: int) -> None:
    far_end = FarEnd()
    results = await make_so(far_end, WANTED, trouble=failing_at([number], LOST, done=False))
    assert {result.outcome for result in results} == {Outcome.DONE}
    assert far_end.shape() == (await wished_for(WANTED)).shape()


async def test_a_trunk_that_was_only_half_made_is_completed() -> None:
    far_end = FarEnd()

    def half(at: int, name: str, done: bool) -> None:
        if at == 1 and done:
            far_end.things["id1"].fields["transfer"] = "whatever it is by default"
            raise LOST

    await make_so(far_end, WANTED, trouble=half)
    assert far_end.shape() == (await wished_for(WANTED)).shape()


async def test_too_many_requests_are_waited_out_as_long_as_the_far_end_asks() -> None:
    far_end, naps = FarEnd(), Naps()
    adapter = FakeAdapter(far_end, WANTED, trouble=failing_at([0, 2, 3], BUSY, done=False))
    made = plan(WANTED, await look([adapter], naps.patience))
    results = await apply(made, [adapter], patience=naps.patience)
    assert {result.outcome for result in results} == {Outcome.DONE}
    assert naps.taken == [7.0, 7.0, 7.0]
    # Refused requests did nothing, so nothing is looked at before they are sent again.
    assert adapter.calls.count("list") == 2


async def test_a_far_end_that_stays_away_is_asked_ever_later_and_then_left() -> None:
    far_end, naps = FarEnd(), Naps()
    away = TrunkError("unreachable", "No connection.", "Run it again.", retryable=True)

    def trouble(at: int, name: str, done: bool) -> None:
        if name == "create":
            raise away

    results = await make_so(far_end, WANTED, trouble=trouble, naps=naps)
    assert [result.outcome for result in results] == [Outcome.FAILED, *[Outcome.SKIPPED] * 3]
    assert naps.taken == [0.5, 1.0, 2.0, 4.0]
    assert await make_so(far_end, WANTED) != []
    assert far_end.shape() == (await wished_for(WANTED)).shape()


async def test_a_far_end_that_wants_to_be_left_alone_for_long_is_left() -> None:
    naps = Naps()
    hours = TrunkError("rate_limited", "Too many.", retryable=True, retry_after=7200.0)
    adapter = FakeAdapter(FarEnd(), trouble=failing_at([0], hours, done=False))
    with pytest.raises(TrunkError):
        await look([adapter], naps.patience)
    assert naps.taken == []


# What is refused.


async def test_credentials_that_are_refused_end_the_place_at_once() -> None:
    refused = TrunkError("credentials_refused", "Not these.", "Set others.")
    results = await make_so(FarEnd(), WANTED, trouble=failing_at([1], refused, done=False))
    assert [result.outcome for result in results] == [Outcome.FAILED, *[Outcome.SKIPPED] * 3]


async def test_a_refusal_holds_up_only_what_depends_on_it() -> None:
    wanted = [*WANTED, want("trunk", "other"), want("number", "n", of_trunk="other")]
    far_end = FarEnd()
    far_end.add(Thing("trunk", "by hand", {}, {}, frozenset({"domain:acme"})))
    results = await make_so(far_end, wanted)
    told = {result.step.key.name: result for result in results}
    assert {name.removeprefix("acme/"): one.outcome.value for name, one in told.items()} == {
        "t": "failed",
        "l": "skipped",
        "e": "skipped",
        "+14155550100": "skipped",
        "other": "done",
        "n": "done",
    }
    error = told["acme/t"].error
    assert error is not None and error.code == "conflict"
    assert "by hand" in error.message and "import" in error.fix


async def test_a_parent_that_cannot_be_changed_still_gets_its_children() -> None:
    far_end = await wished_for([want("trunk", "t", transfer="on")])
    refused = TrunkError("refused", "Not this way.", "Choose another.")
    wanted = [want("trunk", "t", transfer="off"), want("number", "n", of_trunk="t")]
    results = await make_so(far_end, wanted, trouble=failing_at([1], refused, done=False))
    assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.DONE]


async def test_a_parent_whose_child_could_not_be_deleted_is_left_for_the_next_run() -> None:
    far_end = await wished_for([want("trunk", "t"), want("list", "l", of_trunk="t")])
    refused = TrunkError("refused", "Not now.", "Wait.")
    results = await make_so(far_end, [], trouble=failing_at([1], refused, done=False))
    assert [result.outcome for result in results] == [Outcome.FAILED, Outcome.SKIPPED]
    assert len(far_end.things) == 2


# Taking over what exists.


async def test_what_was_made_by_hand_is_adopted_by_what_only_it_can_have() -> None:
    far_end = FarEnd()
    id = far_end.add(Thing("trunk", "by hand", {"transfer": "on"}, {}, frozenset({"domain:acme"})))
    adapter = FakeAdapter(far_end, WANTED)
    found = await look([adapter], Naps().patience)
    pairs = adoptions(WANTED, found, {})
    assert pairs == {key("trunk", "t"): id}
    adopting = only_adopting(plan(WANTED, found, adopting=pairs))
    await apply(adopting, [adapter], patience=Naps().patience)
    assert [thing.name for thing in far_end.things.values()] == ["acme/t"]
    await make_so(far_end, WANTED)
    assert far_end.shape() == (await wished_for(WANTED)).shape()


async def test_the_operator_names_what_cannot_be_told() -> None:
    far_end = FarEnd()
    id = far_end.add(Thing("list", "by hand", {}, {}))
    found = await look([FakeAdapter(far_end)], Naps().patience)
    assert adoptions(WANTED, found, {"list/l": id}) == {key("list", "l"): id}
    for pair, other in (("list/nothing", id), ("list/l", "id99"), ("trunk/t", id)):
        with pytest.raises(NoSuchPair):
            adoptions(WANTED, found, {pair: other})


# Killed anywhere, for any file.


@st.composite
def files(draw: st.DrawFn) -> list[Wanted]:
    """Draw what a file might want: trunks with lists, entries and numbers, some renamed."""
    wanted: list[Wanted] = []
    trunks: list[str] = []
    for slot in range(draw(st.integers(0, 2))):
        name = f"t{slot}" + draw(st.sampled_from(["", "-renamed"]))
        domain = f"domain:{slot}" + draw(st.sampled_from(["", "-moved"]))
        trunks.append(name)
        transfer = draw(st.sampled_from(["on", "off"]))
        wanted.append(want("trunk", name, claim=domain, transfer=transfer, domain=domain))
        if draw(st.booleans()):
            wanted.append(want("list", name, of_trunk=name))
            for entry in draw(st.lists(st.sampled_from("ab"), unique=True)):
                wanted.append(want("entry", f"{name}/{entry}", of_list=name, at=entry))
    for number in draw(st.lists(st.sampled_from("12"), unique=True)) if trunks else []:
        wanted.append(want("number", number, of_trunk=draw(st.sampled_from(trunks))))
    return draw(st.permutations(wanted))


@settings(max_examples=60)
@given(before=files(), after=files(), done=st.booleans())
async def test_apply_killed_at_every_call_in_turn_ends_in_the_same_state(
    before: list[Wanted], after: list[Wanted], done: bool
) -> None:
    start = await wished_for(before)
    by_hand = start.add(Thing("trunk", "by hand", {}, {}))
    wish = await wished_for(after)
    wish.add(Thing("trunk", "by hand", {}, {}))
    for number in count():
        far_end = start.copy()
        try:
            await make_so(far_end, after, trouble=killed_at(number, done=done))
            killed = False
        except Killed:
            killed = True
            await make_so(far_end, after)
        assert far_end.shape() == wish.shape(), f"killed at call {number}"
        assert by_hand in far_end.things
        assert await steady(far_end, after)
        if not killed:
            break


@settings(max_examples=60)
@given(wanted=files(), done=st.booleans())
async def test_any_answer_may_be_lost(wanted: list[Wanted], done: bool) -> None:
    wish = (await wished_for(wanted)).shape()
    for number in range(len(wanted) + 1):
        far_end = FarEnd()
        results = await make_so(far_end, wanted, trouble=failing_at([number], LOST, done=done))
        assert {result.outcome for result in results} <= {Outcome.DONE}
        assert far_end.shape() == wish


async def test_a_plan_of_hundreds_of_trunks_takes_each_list_once() -> None:
    wanted = [want("trunk", f"t{at}", claim=f"domain:{at}") for at in range(200)]
    wanted += [want("number", f"n{at}", of_trunk=f"t{at % 200}") for at in range(5_000)]
    far_end = await wished_for(wanted[:3_000])
    adapter = FakeAdapter(far_end, wanted)
    made = plan(wanted, await look([adapter], Naps().patience))
    assert adapter.calls == ["list"]
    assert len(made.pending) == 2_200
    assert made.steps[0].wanted is not None
