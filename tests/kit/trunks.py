"""Trunks that are there, or not, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialer.calls.pacing import RollingPacer
from dialer.routing.trunk import OUTBOUND, Line, Trunk
from telephony.errors import Unavailable
from trunks.kept import InboundTrunk


def trunk(name: str = OUTBOUND, **fields: Any) -> Trunk:
    """Make a trunk that carries everything, quickly."""
    values: dict[str, Any] = {
        "livekit_name": f"tel-{name}",
        "address": "127.0.0.1:5070",
        "numbers": ("+14155550199",),
        "cps": 100.0,
    }
    return Trunk(name=name, **{**values, **fields})


class FakeLines:
    """Trunks as LiveKit has them; ``id`` None takes all of them away, ``down`` LiveKit itself."""

    def __init__(self, *trunks: Trunk) -> None:
        self.trunks = list(trunks) or [trunk()]
        self.id: str | None = "ST_test"
        self.down = False

    async def current(self) -> Mapping[str, Line]:
        """Give them by name."""
        if self.down:
            raise Unavailable("media_server_unavailable", "LiveKit cannot be reached.")
        if self.id is None:
            return {}
        return {
            one.name: Line(one, self.id if one.name == OUTBOUND else f"ST_{one.name}")
            for one in self.trunks
        }


class OneAmongSeveral(RollingPacer):
    """The pace of one process among several: a token that it gives back is at once another's."""

    async def give_back(self, trunk: str) -> None:
        """Lose it."""


class InMemoryTrunks:
    """The port ``dialer.routing.store.Trunks`` in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Trunk] = {}

    async def put(self, trunk: Trunk) -> None:
        """Store a trunk."""
        self.kept[trunk.name] = trunk

    async def list(self) -> list[Trunk]:
        """List all trunks by name."""
        return [self.kept[name] for name in sorted(self.kept)]

    async def remove(self, name: str) -> bool:
        """Forget a trunk."""
        return self.kept.pop(name, None) is not None


def inbound_trunk(name: str = "main", **changes: Any) -> InboundTrunk:
    """Give a trunk that calls come in by."""
    fields: dict[str, Any] = {
        "deployment": "acme",
        "numbers": ("+14155550190",),
        "allowed_addresses": ("203.0.113.0/24",),
        "username": "",
        "password": "",
        "encryption": "disable",
        "agent_name": "telephony",
    }
    return InboundTrunk(name=name, **fields | changes)
