"""Drift: in what the far ends are no longer as the file wants them, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from trunks.resources import Value
from trunks.steps import Action, Plan, Step


def drift(plan: Plan) -> list[str]:
    """Give a sentence for each difference; none where all is as it should be."""
    return [sentence for step in plan.pending for sentence in _sentences(step)]


def _sentences(step: Step) -> Iterator[str]:
    match step.action:
        case Action.CREATE:
            yield f"{step.key} is missing."
        case Action.DELETE:
            yield f"{step.key} is there, and {step.why}."
        case Action.CONFLICT:
            yield f"{step.key} cannot be: {step.why}."
        case _:
            for name, change in step.changes.items():
                now, wanted = in_words(change.before), in_words(change.after)
                yield f"{step.key}: {name} is {now}, and should be {wanted}."


def in_words(value: Value) -> str:
    """Write a value for people."""
    if value is None or value == "" or value == ():
        return "nothing"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(in_words(one) for one in value)
    if isinstance(value, str | int | float):
        return str(value)
    return ", ".join(f"{name}: {in_words(one)}" for name, one in value.items())
