"""What is to be done, given what is wanted and what is there."""

from __future__ import annotations

from tests.unit.trunks.wanting import PLACE, key, want
from trunks.plan import plan
from trunks.resources import Found, Key, Value
from trunks.steps import HIDDEN, Action, Change, Step


def there(
    kind: str,
    name: str | None,
    id: str,
    *,
    claim: str = "",
    refs: dict[str, str] | None = None,
    **fields: Value,
) -> Found:
    return Found(
        key(kind, name) if name else None,
        id,
        fields,
        refs or {},
        label=name or f"made by hand, {id}",
        kind=kind,
        claims=frozenset({claim} if claim else ()),
        place=PLACE,
    )


def told(steps: tuple[Step, ...]) -> list[str]:
    return [
        f"{step.action} {step.key.kind} {step.key.name.removeprefix('acme/')}" for step in steps
    ]


def test_what_is_missing_is_made_parents_first() -> None:
    wanted = [want("entry", "e", of_list="l"), want("number", "n", of_trunk="t")]
    wanted += [want("list", "l", of_trunk="t"), want("trunk", "t")]
    made = told(plan(wanted, []).steps)
    assert made == ["create trunk t", "create number n", "create list l", "create entry e"]


def test_what_is_as_wanted_is_kept() -> None:
    wanted = [want("trunk", "t", transfer="off"), want("number", "n", of_trunk="t")]
    found = [there("trunk", "t", "1", transfer="off", colour="of no interest")]
    found += [there("number", "n", "2", refs={"trunk": "1"})]
    made = plan(wanted, found)
    assert made.pending == ()
    assert made.ids == {key("trunk", "t"): "1", key("number", "n"): "2"}


def test_what_differs_is_changed_field_by_field() -> None:
    wanted = [want("trunk", "t", transfer="off", cnam=False), want("number", "n", of_trunk="t")]
    found = [there("trunk", "t", "1", transfer="on", cnam=False)]
    found += [there("number", "n", "2", refs={"trunk": "another"})]
    changed = {step.key.kind: step.changes for step in plan(wanted, found).pending}
    assert changed == {
        "trunk": {"transfer": Change("on", "off")},
        "number": {"trunk": Change("another", "acme/t")},
    }


def test_what_it_is_no_longer_to_refer_to_is_taken_off_it_before_that_is_deleted() -> None:
    wanted = [want("uri", "first"), want("trunk", "t", of_uri="first")]
    found = [there("uri", "first", "1"), there("uri", "second", "2")]
    found += [there("trunk", "t", "3", refs={"uri": "1", "fallback": "2"})]
    steps = plan(wanted, found).pending
    assert told(steps) == ["update trunk t", "delete uri second"]
    assert steps[0].changes == {"fallback": Change("2", None)}


def test_a_secret_is_never_in_a_plan() -> None:
    wanted = [want("trunk", "t", password="tell-nobody", secrets="password")]
    for found in ([], [there("trunk", "t", "1", password="older")], [there("trunk", "t", "1")]):
        made = plan(wanted, found, renew_secrets=True)
        assert made.pending
        assert "tell-nobody" not in str(made) and "older" not in str(made)
        assert made.pending[0].changes["password"].after == HIDDEN


def test_a_secret_that_the_far_end_does_not_tell_is_sent_again_only_when_asked() -> None:
    wanted = [want("trunk", "t", password="p", secrets="password")]
    found = [there("trunk", "t", "1")]
    assert plan(wanted, found).pending == ()
    assert told(plan(wanted, found, renew_secrets=True).pending) == ["update trunk t"]


def test_what_is_ours_and_wanted_no_more_is_deleted_children_first() -> None:
    found = [
        there("trunk", "t", "1"),
        there("list", "l", "2", refs={"trunk": "1"}),
        there("entry", "e", "3", refs={"list": "2"}),
    ]
    assert told(plan([], found).steps) == ["delete entry e", "delete list l", "delete trunk t"]


def test_what_has_no_mark_is_left_alone() -> None:
    made = plan([], [there("trunk", None, "1")])
    assert made.steps == ()
    assert [one.id for one in made.unmarked] == ["1"]


def test_children_move_away_before_their_old_parent_is_deleted() -> None:
    wanted = [want("number", "n", of_trunk="new"), want("trunk", "new")]
    found = [there("trunk", "old", "1"), there("number", "n", "2", refs={"trunk": "1"})]
    made = told(plan(wanted, found).steps)
    assert made == ["create trunk new", "update number n", "delete trunk old"]


def test_of_two_with_one_name_the_one_that_is_right_stays() -> None:
    wanted = [want("trunk", "t", transfer="off")]
    found = [there("trunk", "t", "1", transfer="on"), there("trunk", "t", "2", transfer="off")]
    made = plan(wanted, found)
    assert [(step.action, step.found and step.found.id) for step in made.steps] == [
        (Action.KEEP, "2"),
        (Action.DELETE, "1"),
    ]


def test_what_is_in_the_way_and_not_ours_is_a_conflict() -> None:
    wanted = [want("trunk", "t", claim="domain:acme")]
    made = plan(wanted, [there("trunk", None, "1", claim="domain:acme")])
    assert told(made.steps) == ["conflict trunk t"]
    assert "made by hand, 1 is in the way" in made.steps[0].why


def test_what_is_in_the_way_is_adopted_when_asked() -> None:
    wanted = [want("trunk", "t", claim="domain:acme", transfer="off")]
    found = [there("trunk", None, "1", claim="domain:acme", transfer="on")]
    made = plan(wanted, found, adopting={key("trunk", "t"): "1"})
    assert told(made.steps) == ["adopt trunk t"]
    assert set(made.steps[0].changes) == {"name", "transfer"}
    assert made.unmarked == ()


def test_one_list_on_two_trunks_is_two_things_with_one_id() -> None:
    wanted = [want("trunk", "t"), want("list", "l"), want("on", "l", of_trunk="t", of_list="l")]
    found = [there("trunk", "t", "1"), there("trunk", None, "2"), there("list", "l", "L")]
    found += [there("on", "l elsewhere", "L", refs={"trunk": "2", "list": "L"})]
    found += [there("on", "l", "L", refs={"trunk": "1", "list": "L"})]
    assert told(plan(wanted, found).pending) == ["delete on l elsewhere"]


def test_a_trunk_renamed_in_the_file_is_renamed_there() -> None:
    wanted = [want("trunk", "new", claim="domain:acme")]
    made = plan(wanted, [there("trunk", "old", "1", claim="domain:acme")])
    assert told(made.steps) == ["update trunk new"]
    assert made.steps[0].changes == {"name": Change("acme/old", "acme/new")}


def test_a_number_that_moves_is_given_back_before_it_is_taken() -> None:
    wanted = [want("trunk", "b", claim="number:1", x=1), want("trunk", "a", claim="number:2", x=1)]
    found = [there("trunk", "a", "1", claim="number:1"), there("trunk", "b", "2", claim="number:0")]
    assert told(plan(wanted, found).steps) == ["update trunk a", "update trunk b"]


def test_two_that_swap_what_only_one_can_have_are_planned_all_the_same() -> None:
    wanted = [want("trunk", "a", claim="number:2", x=1), want("trunk", "b", claim="number:1", x=1)]
    found = [there("trunk", "a", "1", claim="number:1"), there("trunk", "b", "2", claim="number:2")]
    assert told(plan(wanted, found).steps) == ["update trunk a", "update trunk b"]


def test_places_do_not_take_from_each_other() -> None:
    wanted = [want("trunk", "t", claim="number:1", place="livekit")]
    found = [there("trunk", None, "1", claim="number:1")]
    assert told(plan(wanted, found).steps) == ["create trunk t"]


def test_a_plan_of_nothing_is_empty() -> None:
    made = plan([], [])
    assert made.steps == () and made.ids == dict[Key, str]()
