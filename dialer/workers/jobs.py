"""Workers that wait for a job, and the one that they are given.

LiveKit takes 200 ms to choose a worker, whatever there is to choose from. So a worker with a free
seat asks the dialer for a job and is answered as soon as there is one. A job that is lost on its
way is what a dispatch that no agent takes is: its claim's deadline notices, and LiveKit is asked.
LiveKit is asked too where nobody waits here, as in a process that has the loops without the API.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from telephony.worker_contract import Job


@dataclass(frozen=True, slots=True)
class _Place:
    """A worker in the line.

    Units: ``free`` in calls.
    """

    free: int
    given: asyncio.Future[Job | None]


class Jobs:
    """The line of the workers that wait at this process."""

    def __init__(self) -> None:
        self._line: dict[str, _Place] = {}

    async def wait(self, worker_id: str, *, free: int, within: float) -> Job | None:
        """Wait for a job; None where there is none in time.

        Shape: a worker has one place; who asks again leaves the old one. Units: seconds.
        """
        self._leave(worker_id)
        mine = _Place(free, asyncio.get_running_loop().create_future())
        self._line[worker_id] = mine
        try:
            return await asyncio.wait_for(mine.given, within)
        except TimeoutError:
            return None
        finally:
            if self._line.get(worker_id) is mine:
                del self._line[worker_id]

    @property
    def somebody_waits(self) -> bool:
        """Whether a job could be given now."""
        return bool(self._line)

    def give(self, job: Job) -> bool:
        """Give the job to the worker with the most room; False where nobody waits any more."""
        if not self._line:
            return False
        chosen = max(self._line, key=lambda worker_id: self._line[worker_id].free)
        self._leave(chosen, job)
        return True

    def _leave(self, worker_id: str, job: Job | None = None) -> None:
        place = self._line.pop(worker_id, None)
        if place is not None and not place.given.done():
            place.given.set_result(job)
