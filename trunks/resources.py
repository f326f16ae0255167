"""The port between the engine and its adapters: what is wanted, what is there, how to change it.

An adapter speaks for one place: one account at one carrier, or one LiveKit. It says what a file
wants there (``wanted``) and what is there (``found``); the difference is the plan. There is no file
of state: a thing of ours is recognised by the mark in its name, so a run that was killed anywhere
is taken up by the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from trunks.desired import Desired

Value: TypeAlias = "str | int | float | bool | tuple[Value, ...] | Mapping[str, Value] | None"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a thing of ours is, wherever it is.

    Shape: ``place`` is one adapter's, as ``twilio:main`` or ``livekit``; ``kind`` as ``trunk``;
    ``name`` is unique in its kind and is the mark: ``<deployment>/<name in the file>``.
    """

    place: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.place} {self.kind} {self.name}"


def _no_refs() -> Mapping[str, Key]:
    return {}


def _no_ids() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that the file wants.

    Shape: ``fields`` is all that is compared, in the far end's canonical form. ``secrets`` names
    those that are never shown, and not compared where the far end does not tell them. ``refs``
    names the things whose ids it carries, which are made before it. ``claims`` is what only one
    thing can have there, as ``number:+14155550100``. ``explain`` is a line for people.
    """

    key: Key
    fields: Mapping[str, Value] = field(repr=False)
    secrets: frozenset[str] = frozenset()
    refs: Mapping[str, Key] = field(default_factory=_no_refs)
    explain: str = ""
    claims: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is there.

    Shape: ``key`` is None where it has no mark of ours: then it is never touched, and may be
    imported. ``id`` is the far end's. ``refs`` maps fields to ids. ``label`` is what it is called
    there. ``kind`` is for what has no key; ``place`` is filled in by who asked the adapter.
    ``claims`` is what it holds and nobody else can have, as ``Wanted.claims``.
    """

    key: Key | None
    id: str
    fields: Mapping[str, Value] = field(repr=False)
    refs: Mapping[str, str] = field(default_factory=_no_ids)
    label: str = ""
    kind: str = ""
    claims: frozenset[str] = frozenset()
    place: str = ""

    @property
    def at(self) -> tuple[str, str]:
        """Give its id, and whose id that is."""
        return (self.key.place if self.key else self.place), self.id

    @property
    def what(self) -> str:
        """Tell what it is, in a word."""
        return self.key.kind if self.key else self.kind


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that is wrong in the file, or only doubtful (``warning``).

    Shape: ``path`` leads to it from the top of the file, as ``("trunks", "main", "address")``.
    """

    path: tuple[str | int, ...]
    code: str
    message: str
    warning: bool = False


class Adapter(Protocol):
    """One place where things are made.

    Errors: every method that touches the network raises TrunkError and nothing else.
    """

    @property
    def place(self) -> str:
        """Name the place, as the keys of its things have it."""
        ...

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Say what the file wants here."""
        ...

    async def found(self) -> Sequence[Found]:
        """List what is here; each list is fetched once, whatever the number of trunks."""
        ...

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make it; ``ids`` has the ids of all that it refers to."""
        ...

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make what is there as wanted, its mark too."""
        ...

    async def delete(self, found: Found) -> None:
        """Remove it; what is already gone is no error."""
        ...

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Judge the file by this place's own rules, without the network."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Remarking(Protocol):
    """An adapter whose place can be wrong in ways that no request of ours mends."""

    async def remarks(self, desired: Desired) -> Sequence[Complaint]:
        """Say what a person has to do there. Errors: TrunkError."""
        ...
