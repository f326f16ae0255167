"""Say how far a long fetch is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Step:
    """One counted step of a fetch.

    Units: ``megabytes`` is the size of the download; ``seconds`` is how long the step has run.
    """

    number: int
    total: int
    label: str
    megabytes: float = 0.0
    seconds: float = 0.0

    def after(self, seconds: float) -> Step:
        """Return the same step, later."""
        return replace(self, seconds=seconds)


Progress = Callable[[Step], None]


def print_step(step: Step) -> None:
    """Print a step as one line."""
    size = f", {step.megabytes:.0f} MB" if step.megabytes >= 1 else ""
    since = f" ... {step.seconds:.0f} s" if step.seconds else ""
    print(f"speech models {step.number}/{step.total}: {step.label}{size}{since}", flush=True)
