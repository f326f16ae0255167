"""The ports to what a caller hears when no agent is there: somebody at another phone, or a line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from telephony.call import EndedReason

#: How long an announcer who is busy with others lets a caller wait; the bridge lets nobody ring for
#: much longer.
ANNOUNCER_WAITS: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A phone to be rung into a caller's room; ``shows`` is the number that it sees."""

    room: str
    attempt_id: str
    trunk_id: str
    number: str = field(repr=False)
    shows: str = field(repr=False)
    ring: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class NotReached:
    """Nobody answered, and why; ``status`` is the carrier's SIP response where one is known."""

    reason: EndedReason
    status: int | None = None


class SecondLegs(Protocol):
    """Rings a second phone into a room."""

    async def ring(self, wanted: Invitation) -> NotReached | None:
        """Send one request, and return when the phone is answered (None) or will not be.

        Errors: Unavailable where nobody knows whether the INVITE left; it is never sent again.
        """
        ...


class Announcer(Protocol):
    """Plays one line to a caller."""

    @property
    def ready(self) -> bool:
        """Whether there is a line to play."""
        ...

    async def play(self, room: str, caller: str, heard: Callable[[], Awaitable[None]]) -> bool:
        """Play the line in a room to its end; False where that was not possible.

        Shape: ``heard`` is called when the caller has been answered and the line begins.
        """
        ...
