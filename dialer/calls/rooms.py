"""The port to LiveKit's rooms: what the dialer asks of them, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from telephony.bridge_hold import Hold
from telephony.worker_contract import BROWSER_IDENTITY, CALLEE_IDENTITY

#: A room that nobody joins closes after this; the dispatcher decides long before.
EMPTY_TIMEOUT = timedelta(seconds=30)
#: A room that everyone left closes after this; it spans an agent's reconnection.
DEPARTURE_TIMEOUT = timedelta(seconds=10)
#: Callee and agent, one more agent that must find out that it is late, and a rescue.
MAX_PARTICIPANTS = 4


class ParticipantKind(StrEnum):
    """What a participant is, by LiveKit's word."""

    AGENT = "agent"
    SIP = "sip"
    BROWSER = "browser"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room as LiveKit lists it."""

    name: str
    created_at: datetime
    participants: int = 0


@dataclass(frozen=True, slots=True)
class RoomMember:
    """A participant of a room.

    Shape: ``sip_status`` is the bridge's ``sip.callStatus`` (dialing, ringing, active, hangup),
    None for anybody but a phone; ``attributes`` are all that the bridge tells of it.
    """

    identity: str
    kind: ParticipantKind
    joined_at: datetime
    sip_status: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)

    @property
    def is_leg(self) -> bool:
        """Whether it is the call's other side: a phone behind the bridge, or the browser."""
        return self.kind is ParticipantKind.SIP or self.identity in _LEGS


_LEGS = frozenset({CALLEE_IDENTITY, BROWSER_IDENTITY})


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Which agent to ask for, and the job metadata that it gets."""

    agent_name: str
    metadata: str = field(repr=False)


class Rooms(Protocol):
    """Rooms of one LiveKit deployment.

    Errors: every method but ``token`` and ``hold`` raises telephony.errors.Unavailable (code
    ``media_server_unavailable``) when LiveKit cannot be reached or does not answer properly; then
    nothing is known, and a request may or may not have been carried out.
    """

    async def create(self, room: str, dispatch: Dispatch | None) -> RoomState:
        """Create the room, with the agent's dispatch inside; an existing room stays as it is."""
        ...

    async def redispatch(self, room: str, dispatch: Dispatch) -> None:
        """Take back every dispatch of the room, then ask again; a missing room is made."""
        ...

    async def ask_once_more(self, room: str, dispatch: Dispatch) -> None:
        """Ask for an agent and take no earlier dispatch back; a missing room is not made."""
        ...

    async def remove_participant(self, room: str, identity: str) -> None:
        """Remove a participant (for a phone: BYE or CANCEL); nothing happens if it is not there."""
        ...

    async def delete(self, room: str, *, if_listed: bool = False) -> None:
        """Delete the room and hang up all that is in it, though no list names it.

        Shape: nothing is there afterwards, whatever was there before. ``if_listed`` leaves alone
        what no list names, and takes one step instead of three: for a name that may be in use again
        a moment later.
        """
        ...

    async def list(self, prefix: str) -> list[RoomState]:
        """List the rooms whose name starts with the prefix."""
        ...

    async def served(self, room: str) -> bool:
        """Say whether a living server holds the room.

        Shape: lists outlive the server that died with a room, and are lost with a Redis that
        forgets while the room lives on; only this tells.
        """
        ...

    async def participants(self, room: str) -> list[RoomMember]:
        """List who is in the room by LiveKit's lists; nobody is in a room that does not exist."""
        ...

    async def hold(self, room: str, identity: str) -> Hold:
        """Ask the bridge whether it still holds a phone that the lists may have missed leaving.

        Errors: none, ``Hold.UNKNOWN`` instead.
        """
        ...

    def token(self, room: str, identity: str, ttl: timedelta) -> str:
        """Make a participant token: this room, microphone in, audio out, nothing else."""
        ...
