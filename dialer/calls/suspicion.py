"""What was seen to be wrong, and since when without interruption."""

from __future__ import annotations

from datetime import datetime, timedelta


class Suspicions:
    """The memory of somebody who looks again and again.

    Shape: a suspicion that one look does not confirm is dropped; a gap between two looks drops all.
    """

    def __init__(self, *, forget_after: timedelta) -> None:
        self._forget_after = forget_after
        self._since: dict[tuple[object, ...], datetime] = {}
        self._confirmed: set[tuple[object, ...]] = set()
        self._now: datetime | None = None

    def begin(self, now: datetime) -> None:
        """Begin a look."""
        if self._now is not None and now - self._now > self._forget_after:
            self.clear()
        self._now = now
        self._confirmed = set()

    def since(self, *what: object) -> datetime:
        """Confirm a suspicion, and tell since when it stands."""
        assert self._now is not None, "no look has begun"
        self._confirmed.add(what)
        return self._since.setdefault(what, self._now)

    def stands(self, *what: object) -> bool:
        """Say whether this was suspected in the look before, or is in this one."""
        return what in self._since

    def finish(self) -> None:
        """End a look."""
        self._since = {what: when for what, when in self._since.items() if what in self._confirmed}

    def clear(self) -> None:
        """Forget everything."""
        self._since = {}
        self._now = None
