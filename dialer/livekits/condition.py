"""Is a LiveKit up? Slow to believe either: one lost answer moves no call, nor does one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Looks in a row without an answer after which it is taken for down.
MISSES: Final = 3
#: Units: seconds. For how long it must answer before it is believed again.
CALM: Final = 15.0


@dataclass(slots=True)
class Condition:
    """How one LiveKit stands, by its answers; up until it is seen not to be.

    Units: times in seconds of one monotonic clock.
    """

    up: bool = True
    _missed: int = 0
    _answers_since: float | None = None

    def saw(self, *, answered: bool, at: float) -> None:
        """Take what one look saw."""
        if not answered:
            self._missed += 1
            self._answers_since = None
            self.up = self.up and self._missed < MISSES
            return
        self._missed = 0
        if self._answers_since is None:
            self._answers_since = at
        self.up = self.up or at - self._answers_since >= CALM
