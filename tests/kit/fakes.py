"""In-memory versions of the dialer's ports; the contract tests hold them to the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from dialer.calls.rooms import Dispatch, ParticipantKind, RoomMember, RoomState
from dialer.calls.signals import LocalSignals
from dialer.workers.presence import LiveWorker
from telephony.bridge_hold import Hold
from telephony.errors import Unavailable
from telephony.worker_contract import PRESENCE_EXPIRY, WorkerPresence

InMemorySignals = LocalSignals

EPOCH = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class VirtualClock:
    """A clock that moves when told to; call it to read it."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self.time = start

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.time

    def forward(self, seconds: float) -> datetime:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)
        return self.time


@dataclass
class FakeRoom:
    """A room, who is in it, and which dispatches it carries."""

    state: RoomState
    members: dict[str, RoomMember] = field(default_factory=dict[str, RoomMember])
    dispatches: list[Dispatch] = field(default_factory=list[Dispatch])


class FakeRooms:
    """LiveKit's rooms in memory; ``down`` makes it unreachable."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self.rooms: dict[str, FakeRoom] = {}
        self.down = False
        self.created: list[str] = []
        self.deleted: list[str] = []
        self.removed: list[tuple[str, str]] = []
        self.redispatched: list[str] = []
        #: Rooms whose server died: listed, and nobody answers for them.
        self.orphaned: set[str] = set()
        #: Phones that the bridge let go of, and the lists still name.
        self.let_go: set[tuple[str, str]] = set()
        #: Rooms that the lists forgot and that live on.
        self.unlisted: set[str] = set()
        #: Clear to make LiveKit take its time with new rooms.
        self.creating = asyncio.Event()
        self.creating.set()
        #: Set to also fail with this room's creation (and only it).
        self.refuse_create = False

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("media_server_unavailable", "LiveKit cannot be reached.")

    async def create(self, room: str, dispatch: Dispatch | None) -> RoomState:
        """Create the room; an existing one stays as it is."""
        await self.creating.wait()
        self._answer()
        if self.refuse_create:
            raise Unavailable("media_server_unavailable", "LiveKit does not create rooms.")
        if room not in self.rooms:
            self.created.append(room)
            self.rooms[room] = FakeRoom(RoomState(room, self.now()))
            if dispatch is not None:
                self.rooms[room].dispatches.append(dispatch)
        return self.rooms[room].state

    async def redispatch(self, room: str, dispatch: Dispatch) -> None:
        """Replace the room's dispatches."""
        self._answer()
        if room not in self.rooms:
            await self.create(room, dispatch)
            return
        self.redispatched.append(room)
        self.rooms[room].dispatches = [dispatch]

    async def ask_once_more(self, room: str, dispatch: Dispatch) -> None:
        """Add a dispatch."""
        self._answer()
        if room in self.rooms:
            self.rooms[room].dispatches.append(dispatch)

    async def remove_participant(self, room: str, identity: str) -> None:
        """Remove a participant."""
        self._answer()
        self.removed.append((room, identity))
        if room in self.rooms:
            self.leave(room, identity)

    async def delete(self, room: str, *, if_listed: bool = False) -> None:
        """Delete the room."""
        self._answer()
        if if_listed and room in self.unlisted:
            return
        if self.rooms.pop(room, None) is not None:
            self.orphaned.discard(room)
            self.deleted.append(room)

    async def list(self, prefix: str) -> list[RoomState]:
        """List the rooms of a prefix."""
        self._answer()
        return [
            room.state
            for name, room in self.rooms.items()
            if name.startswith(prefix) and name not in self.unlisted
        ]

    async def served(self, room: str) -> bool:
        """Say whether a living server holds the room."""
        self._answer()
        return room in self.rooms and room not in self.orphaned

    async def participants(self, room: str) -> list[RoomMember]:
        """List who is in the room."""
        self._answer()
        if room not in self.rooms or room in self.unlisted:
            return []
        return [*self.rooms[room].members.values()]

    async def hold(self, room: str, identity: str) -> Hold:
        """Ask the bridge whether it still holds a phone."""
        if self.down or room not in self.rooms or identity not in self.rooms[room].members:
            return Hold.UNKNOWN
        return Hold.LET_GO if (room, identity) in self.let_go else Hold.THERE

    def token(self, room: str, identity: str, ttl: timedelta) -> str:
        """Make something that looks like a token."""
        return f"token:{room}:{identity}:{int(ttl.total_seconds())}"

    # What the world outside does to a room.

    def join(
        self, room: str, identity: str, kind: ParticipantKind, *, sip_status: str | None = None
    ) -> None:
        """Let somebody join, or change."""
        self.rooms[room].members[identity] = RoomMember(identity, kind, self.now(), sip_status)
        self._count(room)

    def leave(self, room: str, identity: str) -> None:
        """Let somebody leave."""
        self.rooms[room].members.pop(identity, None)
        self._count(room)

    def _count(self, room: str) -> None:
        entry = self.rooms[room]
        entry.state = replace(entry.state, participants=len(entry.members))


class InMemoryPresence:
    """Presences in memory, expiring by the given clock."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self._workers: dict[str, LiveWorker] = {}

    async def put(self, worker_id: str, presence: WorkerPresence) -> None:
        """Keep the worker's newest word."""
        self._workers[worker_id] = LiveWorker(worker_id, presence, self.now())

    async def live(self) -> list[LiveWorker]:
        """List those that have not expired."""
        oldest = self.now() - PRESENCE_EXPIRY
        return [worker for worker in self._workers.values() if worker.seen_at > oldest]
