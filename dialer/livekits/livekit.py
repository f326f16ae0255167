"""One LiveKit and what is at it, and how a room's name tells which one it is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ColumnElement, not_, true

from dialer.calls.rooms import Rooms
from dialer.routing.trunk import Line
from dialer.workers.jobs import Jobs
from dialer.workers.presence import Presence
from telephony.worker_contract import LiveKitName


class Trunks(Protocol):
    """The trunks as they are in one LiveKit now."""

    async def current(self) -> Mapping[str, Line]:
        """Give them by name.

        Errors: Unavailable when LiveKit or the database cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Realm:
    """The rooms of one LiveKit.

    Shape: ``deployment`` is the first part of their names; ``fallback`` that of the fallback's,
    where there is one. What does not bear the fallback's name is our own: no room is nobody's.
    """

    deployment: str
    fallback: str | None = None

    @property
    def prefix(self) -> str:
        """Give what the names of its rooms begin with."""
        return f"{self.deployment}-"

    def holds(self, room: str) -> bool:
        """Tell whether a room of this name is here."""
        if self.fallback is None:
            return True
        return room.startswith(f"{self.fallback}-") == self._is_fallback

    def holding(self, room: ColumnElement[Any]) -> ColumnElement[bool]:
        """Say the same of a column, in SQL."""
        if self.fallback is None:
            return true()
        theirs = room.startswith(f"{self.fallback}-", autoescape=True)
        return theirs if self._is_fallback else not_(theirs)

    @property
    def _is_fallback(self) -> bool:
        return self.deployment == self.fallback


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKit:
    """One LiveKit.

    Shape: ``presence`` knows the workers that are registered with it and no others, ``jobs`` those
    of them that wait here; ``browser_url`` is where browsers reach it.
    """

    name: LiveKitName = LiveKitName.OWN
    realm: Realm
    rooms: Rooms
    trunks: Trunks
    presence: Presence
    jobs: Jobs
    browser_url: str = ""
