"""What a plan is made of: steps, each about one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trunks.resources import Found, Key, Value, Wanted


class Action(StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    DELETE = "delete"
    KEEP = "keep"
    CONFLICT = "conflict"


#: What stands in a plan for the value of a secret.
HIDDEN = "(secret)"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one field."""

    before: Value
    after: Value


def _no_changes() -> Mapping[str, Change]:
    return {}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing, and what is to be done about it.

    Shape: ``wanted`` is None where it is deleted, ``found`` where it is created; in a conflict
    ``found`` is what stands in the way.
    """

    action: Action
    key: Key
    wanted: Wanted | None = None
    found: Found | None = None
    changes: Mapping[str, Change] = field(default_factory=_no_changes)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in an order in which they can be taken.

    Shape: ``ids`` has those of all that is there and wanted; ``unmarked`` is what is not ours.
    """

    steps: tuple[Step, ...]
    ids: Mapping[Key, str]
    unmarked: tuple[Found, ...] = ()

    @property
    def pending(self) -> tuple[Step, ...]:
        """Give the steps that change something, or would if nothing stood in the way."""
        return tuple(step for step in self.steps if step.action is not Action.KEEP)

    def count(self, *actions: Action) -> int:
        """Count the steps of these kinds."""
        return sum(step.action in actions for step in self.steps)
