"""Keep what calls come in by present in LiveKit: the trunks, and the rules that call for an agent.

They live in LiveKit's Redis and are lost with it; what `dialer trunks apply` made is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dialer.calls.looping import keep_going
from trunks.kept import InboundTrunk

#: Units: seconds.
LOOK_EVERY = 5.0


class Kept(Protocol):
    """What is written down."""

    async def list(self) -> Sequence[InboundTrunk]:
        """List it.

        Errors: Unavailable when the database cannot be reached.
        """
        ...


class InboundTrunks(Protocol):
    """Inbound trunks in LiveKit, each with its dispatch rule."""

    async def ensure(self, wanted: Sequence[InboundTrunk]) -> None:
        """Make these be as wanted, each once; one that LiveKit does not take holds up no other.

        Errors: Unavailable when LiveKit cannot be reached.
        """
        ...


class InboundKeeper:
    """Looks after what one deployment's callers come in by."""

    def __init__(self, *, livekit: InboundTrunks, kept: Kept, deployment: str) -> None:
        self._livekit = livekit
        self._kept = kept
        self._deployment = deployment

    async def run(self) -> None:
        """Look again and again until cancelled."""
        await keep_going("inbound trunks", self.step)

    async def step(self) -> float:
        """Look once."""
        # Rooms of another deployment's callers are not ours to look after.
        ours = [one for one in await self._kept.list() if one.deployment == self._deployment]
        if ours:
            await self._livekit.ensure(ours)
        return LOOK_EVERY
