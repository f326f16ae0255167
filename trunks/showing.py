"""Plans and results, for people (rich) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from trunks.apply import Outcome, Result
from trunks.errors import TrunkError
from trunks.faults import Fault
from trunks.resources import Found, Value
from trunks.steps import Action, Plan, Step
from trunks.verify import in_words

_SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.ADOPT: ("=", "cyan"),
    Action.DELETE: ("-", "red"),
    Action.CONFLICT: ("!", "bold red"),
    Action.KEEP: (" ", "dim"),
}
_OUTCOMES = {
    Outcome.DONE: ("✓", "green"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.SKIPPED: ("·", "dim"),
}
_COUNTED = (
    ("to create", Action.CREATE),
    ("to change", Action.UPDATE),
    ("to adopt", Action.ADOPT),
    ("to delete", Action.DELETE),
    ("in the way", Action.CONFLICT),
)


def show_plan(console: Console, plan: Plan) -> None:
    """Print what would be done, and a line that counts it."""
    for step in plan.pending:
        console.print(_headline(step))
        if step.action in (Action.UPDATE, Action.ADOPT):
            for name, change in sorted(step.changes.items()):
                console.print(_change_line(name, change.before, change.after))
    console.print(summary(plan), highlight=False)


def _headline(step: Step) -> Text:
    sign, style = _SIGNS[step.action]
    line = Text(f"{sign} {step.key.place} ", style=style)
    line.append(f"{step.key.kind} ").append(step.key.name, style="bold")
    explain = step.why or (step.wanted.explain if step.wanted else "")
    return line.append(f"  {explain}", style="dim") if explain else line


def _change_line(name: str, before: Value, after: Value) -> Text:
    line = Text(f"    {name}: ").append(in_words(before), style="red")
    return line.append(" → ").append(in_words(after), style="green")


def summary(plan: Plan) -> str:
    """Count the steps in words."""
    counted = [f"{plan.count(action)} {words}" for words, action in _COUNTED if plan.count(action)]
    kept = plan.count(Action.KEEP)
    if not counted:
        return f"Nothing to do: {kept} as the file wants them."
    return f"{', '.join(counted)}; {kept} as the file wants them."


def show_result(console: Console, result: Result) -> None:
    """Print what became of one step."""
    sign, style = _OUTCOMES[result.outcome]
    line = Text(f"{sign} {result.step.action} ", style=style)
    line.append(f"{result.step.key.place} {result.step.key.kind} ")
    line.append(result.step.key.name, style="bold")
    console.print(line)
    if result.error is not None:
        show_error(console, result.error)


def show_error(console: Console, error: TrunkError) -> None:
    """Print what a far end did not do, and what to do about it."""
    console.print(f"  {error.code}: {error}", style="red", markup=False, highlight=False)


def show_unmarked(console: Console, unmarked: Sequence[Found]) -> None:
    """Print what is there and is not ours."""
    if unmarked:
        console.print("Without a mark of ours, and left alone:")
    for found in sorted(unmarked, key=lambda one: (*one.at, one.what)):
        console.print(
            Text(f"  {found.place} {found.what} {found.id}  ").append(found.label, style="dim")
        )


def plan_json(plan: Plan) -> dict[str, Any]:
    """Give a plan for programs; ``kept`` only counts what is as it should be."""
    return {
        "steps": [_step_json(step) for step in plan.pending],
        "kept": plan.count(Action.KEEP),
        "unmarked": [
            {"place": one.place, "kind": one.what, "id": one.id, "label": one.label}
            for one in plan.unmarked
        ],
    }


def _step_json(step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {
        "action": step.action.value,
        "place": step.key.place,
        "kind": step.key.kind,
        "name": step.key.name,
        "id": step.found.id if step.found else None,
        "changes": {
            name: {"before": plain(change.before), "after": plain(change.after)}
            for name, change in sorted(step.changes.items())
        },
    }
    return told | ({"why": step.why} if step.why else {})


def result_json(result: Result) -> dict[str, Any]:
    """Give what became of a step for programs."""
    error = {} if result.error is None else {"error": error_json(result.error)}
    return {**_step_json(result.step), "outcome": result.outcome.value, **error}


def error_json(error: TrunkError) -> dict[str, Any]:
    """Give a far end's refusal for programs."""
    return {
        "code": error.code,
        "message": error.message,
        "fix": error.fix,
        "retryable": error.retryable,
    }


def fault_json(fault: Fault) -> dict[str, Any]:
    """Give a fault of the file for programs."""
    return {
        "file": fault.file,
        "line": fault.line,
        "column": fault.column,
        "path": fault.path,
        "code": fault.code,
        "message": fault.message,
        "warning": fault.warning,
    }


def plain(value: Value) -> Any:
    """Give a value as JSON has it."""
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return value
