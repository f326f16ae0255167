"""In which order steps can be taken.

Parents are made before their children and deleted after them. What is deleted goes last, so that
all has moved away from it; but what only one thing can have is given back before another takes it.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

from trunks.resources import Found
from trunks.steps import Action, Step

#: For each step the positions of those that come before it.
Before: TypeAlias = "list[set[int]]"


def ordered(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Put steps into an order in which they can be taken.

    Errors: ValueError where things refer to each other in a circle.
    """
    must, should = requirements(steps), _given_back_first(steps)
    unmet = [one | other for one, other in zip(must, should, strict=True)]
    followers: dict[int, list[int]] = defaultdict(list)
    for position, before in enumerate(unmet):
        for other in before:
            followers[other].append(position)
    ready = [_rank(steps, position) for position, before in enumerate(unmet) if not before]
    heapq.heapify(ready)
    left = dict.fromkeys(range(len(steps)))
    taken: list[Step] = []
    while left:
        position = heapq.heappop(ready)[-1] if ready else _let_pass(left, unmet, must)
        if position not in left:
            continue
        del left[position]
        taken.append(steps[position])
        for follower in followers[position]:
            unmet[follower].discard(position)
            if not unmet[follower] and follower in left:
                heapq.heappush(ready, _rank(steps, follower))
    return tuple(taken)


def _rank(steps: Sequence[Step], position: int) -> tuple[bool, int, int]:
    # What is listed last is made last, and the first to go: LiveKit's before the carriers'.
    doomed = steps[position].action is Action.DELETE
    return doomed, -position if doomed else position, position


def _let_pass(left: dict[int, None], unmet: Before, must: Before) -> int:
    """Choose a step whose turn it would be, did it not wait for something to be given back."""
    for position in left:
        if unmet[position].isdisjoint(must[position]):
            return position
    raise ValueError("things refer to each other in a circle")


def requirements(steps: Sequence[Step]) -> Before:
    """Tell for each step which others it cannot do without: parents made, children gone."""
    by_key = {step.key: at for at, step in enumerate(steps) if step.wanted is not None}
    referring: dict[tuple[str, str], set[int]] = defaultdict(set)
    for at, step in enumerate(steps):
        if step.found is not None and step.action is not Action.CONFLICT:
            for id in step.found.refs.values():
                referring[step.key.place, id].add(at)
    before: Before = []
    for at, step in enumerate(steps):
        if step.wanted is not None:
            found = {by_key[key] for key in step.wanted.refs.values() if key in by_key}
        else:
            found = set(referring[_deleted(step).at])
        before.append(found - {at})
    return before


def _deleted(step: Step) -> Found:
    assert step.found is not None, "only what is there can be deleted"
    return step.found


def _given_back_first(steps: Sequence[Step]) -> Before:
    holders = {
        (step.key.place, claim): at
        for at, step in enumerate(steps)
        if step.found is not None and step.action is not Action.CONFLICT
        for claim in step.found.claims
    }
    before: Before = []
    for at, step in enumerate(steps):
        claims = step.wanted.claims if step.wanted is not None else frozenset[str]()
        held = {holders.get((step.key.place, claim), at) for claim in claims}
        before.append(held - {at})
    return before
