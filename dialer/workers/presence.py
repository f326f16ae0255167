"""Which workers are there, by their own word of the last seconds, and what they can still take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from telephony.worker_contract import LiveKitName, WorkerPresence


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker whose last presence has not expired."""

    worker_id: str
    presence: WorkerPresence
    seen_at: datetime

    @property
    def takes_calls(self) -> bool:
        """Whether a dispatch can reach it at all: registered with LiveKit and not draining."""
        return self.presence.registered and not self.presence.draining

    def came_after(self, moment: datetime) -> bool:
        """Whether no dispatch of that moment can have reached it."""
        since = self.presence.registered_at
        return since is not None and since > moment


class Presence(Protocol):
    """Where presences are kept until they expire (``PRESENCE_EXPIRY``)."""

    async def put(self, worker_id: str, presence: WorkerPresence) -> None:
        """Keep the worker's newest word."""
        ...

    async def live(self) -> list[LiveWorker]:
        """List the workers whose word has not expired, draining ones too."""
        ...


class PresenceAt:
    """The port ``Presence`` with the workers of one LiveKit alone."""

    def __init__(self, livekit: LiveKitName, everybody: Presence) -> None:
        self._livekit = livekit
        self._everybody = everybody

    async def put(self, worker_id: str, presence: WorkerPresence) -> None:
        """Keep the worker's newest word."""
        await self._everybody.put(worker_id, presence)

    async def live(self) -> list[LiveWorker]:
        """List those that are registered there."""
        everybody = await self._everybody.live()
        return [worker for worker in everybody if worker.presence.livekit is self._livekit]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the workers can take right now.

    Units: calls. Shape: ``spare`` is what the workers have left by their own count; ``unassigned``
    are attempts that were claimed and that no worker has joined yet.
    """

    workers: int
    total: int
    spare: int
    unassigned: int

    @property
    def no_worker(self) -> bool:
        """Whether there is nobody who could take any call."""
        return self.workers == 0

    @property
    def free(self) -> int:
        """How many more attempts may be claimed."""
        return max(0, self.spare - self.unassigned)


def capacity(
    workers: Iterable[LiveWorker], *, assigned: Mapping[str, int], unassigned: int
) -> Capacity:
    """Sum up what is free.

    Shape: ``assigned`` counts the attempts of each worker that the database holds as running. The
    larger of a worker's own count and the database's is taken: either may know of a call before the
    other.
    """
    able = [worker for worker in workers if worker.takes_calls]
    spare = sum(
        max(0, w.presence.capacity - max(w.presence.live_calls, assigned.get(w.worker_id, 0)))
        for w in able
    )
    return Capacity(
        workers=len(able),
        total=sum(w.presence.capacity for w in able),
        spare=spare,
        unassigned=unassigned,
    )
