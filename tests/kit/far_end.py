"""A carrier in memory, and an adapter for it that fails or is killed at any call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from trunks.desired import Desired
from trunks.errors import TrunkError
from trunks.patience import Patience
from trunks.resources import Complaint, Found, Key, Value, Wanted


class Killed(BaseException):
    """The process was killed: nothing after this line ran."""


@dataclass(slots=True)
class Thing:
    """One thing at the far end; ``name`` is the mark where it begins with the deployment."""

    kind: str
    name: str
    fields: dict[str, Value]
    refs: dict[str, str]
    claims: frozenset[str] = frozenset()


@dataclass(slots=True)
class FarEnd:
    """What is there. Like a real one it takes two things of the same name, and one of a claim."""

    things: dict[str, Thing] = field(default_factory=dict[str, Thing])
    made: int = 0

    def copy(self) -> FarEnd:
        """Give another one that is just so."""
        return deepcopy(self)

    def add(self, thing: Thing) -> str:
        """Put something there, as a person would by hand; gives its id."""
        self.check(thing, "")
        self.made += 1
        id = f"id{self.made}"
        self.things[id] = thing
        return id

    def check(self, thing: Thing, id: str) -> None:
        """Refuse what another one holds already, and what refers to nothing."""
        for other, held in self.things.items():
            if other != id and held.claims & thing.claims:
                raise TrunkError("conflict", f"{held.name} has that already.", "Choose another.")
        for parent in thing.refs.values():
            if parent not in self.things:
                raise TrunkError("not_found", f"There is no {parent}.", "Run it again.")

    def remove(self, id: str) -> None:
        """Take something away, unless something still refers to it."""
        if any(id in other.refs.values() for other in self.things.values()):
            raise TrunkError("conflict", f"{id} is still in use.", "Remove its children first.")
        if id not in self.things:
            raise TrunkError("not_found", f"There is no {id}.", "It is gone.")
        del self.things[id]

    def shape(self) -> list[tuple[Any, ...]]:
        """Tell all that is there without the ids, which differ from run to run."""
        return sorted(
            (
                one.kind,
                one.name,
                tuple(sorted((name, str(value)) for name, value in one.fields.items())),
                tuple(sorted((name, self.things[id].name) for name, id in one.refs.items())),
            )
            for one in self.things.values()
        )


#: Asked before and after each call: its number, its name, and whether it has had its effect.
Trouble: TypeAlias = "Callable[[int, str, bool], None]"


def no_trouble(number: int, name: str, done: bool) -> None:
    """Let everything pass."""


def killed_at(number: int, *, done: bool) -> Trouble:
    """Kill the process at one call, before or after it has had its effect."""

    def trouble(at: int, name: str, is_done: bool) -> None:
        if (at, is_done) == (number, done):
            raise Killed

    return trouble


def failing_at(numbers: Sequence[int], error: TrunkError, *, done: bool) -> Trouble:
    """Fail at some calls, before or after they have had their effect."""

    def trouble(at: int, name: str, is_done: bool) -> None:
        if at in numbers and is_done == done:
            raise error

    return trouble


class FakeAdapter:
    """The port ``trunks.resources.Adapter`` over a far end in memory."""

    def __init__(
        self,
        far_end: FarEnd,
        wanted: Sequence[Wanted] = (),
        *,
        place: str = "fake:main",
        deployment: str = "acme",
        trouble: Trouble = no_trouble,
    ) -> None:
        self.place = place
        self.far_end = far_end
        self.calls: list[str] = []
        self._wanted = wanted
        self._mark = f"{deployment}/"
        self._trouble = trouble

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Say what it was told to want."""
        return self._wanted

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Complain of nothing."""
        return ()

    async def found(self) -> Sequence[Found]:
        """List everything."""
        return self._call("list", lambda: [self._found(id) for id in self.far_end.things])

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make a thing."""
        thing = self._thing(wanted, ids)
        return self._call("create", lambda: self._found(self.far_end.add(thing)))

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Change a thing."""
        return self._call("update", lambda: self._change(found.id, self._thing(wanted, ids)))

    async def delete(self, found: Found) -> None:
        """Remove a thing."""
        self._call("delete", lambda: self.far_end.remove(found.id))

    async def aclose(self) -> None:
        """Close nothing."""

    def _call(self, name: str, effect: Callable[[], Any]) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        self._trouble(number, name, False)
        answer = effect()
        self._trouble(number, name, True)
        return answer

    def _change(self, id: str, thing: Thing) -> Found:
        if id not in self.far_end.things:
            raise TrunkError("not_found", f"There is no {id}.", "Run it again.")
        self.far_end.check(thing, id)
        self.far_end.things[id] = thing
        return self._found(id)

    def _thing(self, wanted: Wanted, ids: Mapping[Key, str]) -> Thing:
        refs = {name: ids[key] for name, key in wanted.refs.items()}
        return Thing(wanted.key.kind, wanted.key.name, dict(wanted.fields), refs, wanted.claims)

    def _found(self, id: str) -> Found:
        one = self.far_end.things[id]
        ours = one.name.startswith(self._mark)
        return Found(
            Key(self.place, one.kind, one.name) if ours else None,
            id,
            # Like a real one it never tells a password.
            {name: value for name, value in one.fields.items() if name != "password"},
            one.refs,
            label=one.name,
            kind=one.kind,
            claims=one.claims,
        )


@dataclass(slots=True)
class Naps:
    """Waits that are only noted."""

    taken: list[float] = field(default_factory=list[float])

    async def sleep(self, seconds: float) -> None:
        """Note the wait."""
        self.taken.append(seconds)

    @property
    def patience(self) -> Patience:
        """Give a patience that waits no time, and without chance."""
        return replace(Patience(), sleep=self.sleep, chance=lambda: 0.0)
