"""Carry a plan out, one step after another.

It can be killed anywhere: the next run looks again and finds what was made, by its mark. A request
whose answer was lost is sent again only after another look, so that nothing is made twice. What
fails holds up only what depends on it; a place that is away, or refuses the credentials, is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from trunks.errors import TrunkError
from trunks.ordering import requirements
from trunks.patience import Patience
from trunks.plan import differences
from trunks.resources import Adapter, Found, Key, Wanted
from trunks.steps import Action, Plan, Step


class Outcome(StrEnum):
    """What became of a step."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """A step and what became of it; ``error`` where it failed."""

    step: Step
    outcome: Outcome
    error: TrunkError | None = None


def nobody(_: Result) -> None:
    """Hear of a result, and tell nobody."""


async def apply(
    plan: Plan,
    adapters: Sequence[Adapter],
    *,
    patience: Patience,
    tell: Callable[[Result], None] = nobody,
) -> list[Result]:
    """Take every step that changes something; ``tell`` hears of each at once."""
    run = _Run(plan, adapters, patience)
    needs = requirements(plan.steps)
    results: list[Result] = []
    not_done: set[int] = set()
    for position, step in enumerate(plan.steps):
        if step.action is Action.KEEP:
            continue
        result = await run.take(step, held_up=bool(needs[position] & not_done))
        if result.outcome is not Outcome.DONE:
            not_done.add(position)
        results.append(result)
        tell(result)
    return results


class _Run:
    def __init__(self, plan: Plan, adapters: Sequence[Adapter], patience: Patience) -> None:
        self._ids: dict[Key, str] = dict(plan.ids)
        self._adapters = {adapter.place: adapter for adapter in adapters}
        self._patience = patience
        self._left: set[str] = set()

    async def take(self, step: Step, *, held_up: bool) -> Result:
        if step.key.place in self._left or not self._possible(step, held_up=held_up):
            return Result(step, Outcome.SKIPPED)
        try:
            await self._do(step)
        except TrunkError as error:
            if error.ends_the_place:
                self._left.add(step.key.place)
            return Result(step, Outcome.FAILED, error)
        return Result(step, Outcome.DONE)

    def _possible(self, step: Step, *, held_up: bool) -> bool:
        if step.wanted is None:
            return not held_up
        # A parent that could not be changed is there all the same.
        return all(key in self._ids for key in step.wanted.refs.values())

    async def _do(self, step: Step) -> None:
        adapter = self._adapters[step.key.place]
        match step:
            case Step(action=Action.CREATE, wanted=Wanted() as wanted):
                self._ids[step.key] = (await self._create(adapter, wanted)).id
            case Step(
                action=Action.UPDATE | Action.ADOPT,
                wanted=Wanted() as wanted,
                found=Found() as found,
            ):
                self._ids[step.key] = (await self._update(adapter, found, wanted)).id
            case Step(action=Action.DELETE, found=Found(key=Key()) as found):
                await self._delete(adapter, found)
            case _:
                raise TrunkError(
                    "conflict",
                    f"{step.key}: {step.why}.",
                    "Remove it there, change the file, or take it over: dialer trunks import.",
                )

    async def _create(self, adapter: Adapter, wanted: Wanted) -> Found:
        for tried in count(1):
            try:
                return await adapter.create(wanted, self._ids)
            except TrunkError as error:
                await self._patience.before_another(tried, error)
                made = None if error.nothing_done else await self._made(adapter, wanted.key)
            if made is not None:
                return await self._completed(adapter, made, wanted)
        raise AssertionError("counting has no end")

    async def _made(self, adapter: Adapter, key: Key) -> Found | None:
        found = await self._patience.insist(adapter.found)
        return next((one for one in found if one.key == key), None)

    async def _completed(self, adapter: Adapter, made: Found, wanted: Wanted) -> Found:
        if differences(wanted, made, self._ids):
            return await self._update(adapter, made, wanted)
        return made

    async def _update(self, adapter: Adapter, found: Found, wanted: Wanted) -> Found:
        return await self._patience.insist(lambda: adapter.update(found, wanted, self._ids))

    async def _delete(self, adapter: Adapter, found: Found) -> None:
        try:
            await self._patience.insist(lambda: adapter.delete(found))
        except TrunkError as error:
            if error.code != "not_found":
                raise
