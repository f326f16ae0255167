"""The difference between what is wanted and what is there. Pure: nothing is asked, nothing changed.

A thing of ours is recognised by its key. What has no mark is left alone, save that it is adopted
where the operator asks for it. What has our mark and is no longer wanted is deleted; of two things
with the same key, which a lost answer can leave behind, one stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunks.ordering import ordered
from trunks.pairing import Pairs
from trunks.resources import Found, Key, Value, Wanted
from trunks.steps import HIDDEN, Action, Change, Plan, Step


def plan(
    wanted: Sequence[Wanted],
    found: Sequence[Found],
    *,
    adopting: Mapping[Key, str] | None = None,
    renew_secrets: bool = False,
) -> Plan:
    """Compare.

    Shape: ``adopting`` maps keys to the ids of unmarked things that become theirs;
    ``renew_secrets`` sends those again that the far end does not tell.
    """
    pairs = Pairs(
        wanted,
        found,
        adopting=adopting or {},
        distance=lambda one, other: len(_fields(one, other, renew_secrets=False)),
    )
    ids = {key: one.id for key, one in pairs.taken.items()}
    steps = [_step(one, pairs, ids, renew_secrets=renew_secrets) for one in wanted]
    steps += [
        Step(Action.DELETE, one.key, found=one, why=pairs.why_not(one))
        for one in found
        if one.key is not None and not pairs.uses(one)
    ]
    unmarked = tuple(one for one in found if one.key is None and not pairs.uses(one))
    return Plan(ordered(steps), ids, unmarked)


def _step(wanted: Wanted, pairs: Pairs, ids: Mapping[Key, str], *, renew_secrets: bool) -> Step:
    obstacle = pairs.in_the_way.get(wanted.key)
    if obstacle is not None:
        said = f"{obstacle.label or obstacle.id} is in the way, and has no mark of ours"
        return Step(Action.CONFLICT, wanted.key, wanted, obstacle, why=said)
    found = pairs.taken.get(wanted.key)
    if found is None:
        made = {name: Change(None, _shown(wanted, name)) for name in wanted.fields}
        return Step(Action.CREATE, wanted.key, wanted, changes=made)
    changes = differences(wanted, found, ids, renew_secrets=renew_secrets)
    if found.key is None:
        return Step(Action.ADOPT, wanted.key, wanted, found, changes)
    return Step(Action.UPDATE if changes else Action.KEEP, wanted.key, wanted, found, changes)


def differences(
    wanted: Wanted, found: Found, ids: Mapping[Key, str], *, renew_secrets: bool = False
) -> dict[str, Change]:
    """Tell in what a thing is not as wanted; empty where it is."""
    changes = _fields(wanted, found, renew_secrets=renew_secrets)
    for name, key in wanted.refs.items():
        now = found.refs.get(name)
        if now is None or now != ids.get(key):
            changes[name] = Change(now, key.name)
    for name, now in found.refs.items():
        if name not in wanted.refs:
            changes[name] = Change(now, None)
    if found.key != wanted.key:
        changes["name"] = Change(found.key.name if found.key else found.label, wanted.key.name)
    return changes


def _fields(wanted: Wanted, found: Found, *, renew_secrets: bool) -> dict[str, Change]:
    changes: dict[str, Change] = {}
    for name, value in wanted.fields.items():
        if name in wanted.secrets and name not in found.fields:
            if renew_secrets:
                changes[name] = Change(HIDDEN, HIDDEN)
        elif found.fields.get(name) != value:
            before = HIDDEN if name in wanted.secrets else found.fields.get(name)
            changes[name] = Change(before, _shown(wanted, name))
    return changes


def _shown(wanted: Wanted, name: str) -> Value:
    return HIDDEN if name in wanted.secrets else wanted.fields[name]
