"""Adopt what exists: something that was made by hand gets our mark, and is kept from then on.

Which of the things there is meant is told by what only one thing can have (the domain of a trunk, a
number), or by the operator, who names its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from trunks.resources import Found, Key, Wanted
from trunks.steps import Action, Plan


class NoSuchPair(ValueError):
    """The operator named something that the file or the far end does not have."""


def adoptions(
    wanted: Sequence[Wanted], found: Sequence[Found], named: Mapping[str, str]
) -> dict[Key, str]:
    """Pair what is wanted with what has no mark.

    Shape: ``named`` maps ``kind/name in the file`` to an id.
    Errors: NoSuchPair.
    """
    ours = {one.key for one in found}
    unmarked = [one for one in found if one.key is None]
    pairs = dict(_named(pair, id, wanted, unmarked) for pair, id in named.items())
    taken = set(pairs.values())
    holders = {(one.at[0], one.what, claim): one for one in unmarked for claim in one.claims}
    for one in wanted:
        if one.key in ours or one.key in pairs:
            continue
        for claim in sorted(one.claims):
            holder = holders.get((one.key.place, one.key.kind, claim))
            if holder is not None and holder.id not in taken:
                pairs[one.key] = holder.id
                taken.add(holder.id)
                break
    return pairs


def _named(
    pair: str, id: str, wanted: Iterable[Wanted], unmarked: Iterable[Found]
) -> tuple[Key, str]:
    kind, _, name = pair.partition("/")
    keys = [one.key for one in wanted if one.key.kind == kind and one.key.name.endswith(f"/{name}")]
    if not keys:
        raise NoSuchPair(f"The file wants no {kind} named {name}.")
    # A carrier and the gateway have things of the same kind and name; the id tells which is meant.
    there = {one.at for one in unmarked if one.what == kind}
    meant = [key for key in keys if (key.place, id) in there]
    if len(meant) != 1:
        places = " and ".join(key.place for key in keys)
        raise NoSuchPair(f"{places}: no {kind} {id} without a mark of ours.")
    return meant[0], id


def only_adopting(plan: Plan) -> Plan:
    """Leave out of a plan everything that adopts nothing."""
    return replace(plan, steps=tuple(s for s in plan.steps if s.action is Action.ADOPT))
