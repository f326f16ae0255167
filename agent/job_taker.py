"""Asks the dialer for jobs, which come sooner than LiveKit's own dispatch brings them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from agent.dialer_client import Rejected, Unreachable
from agent.logs import get_logger
from telephony.worker_contract import Job

#: Units: seconds.
_LOOK_EVERY: Final = 0.25
_AGAIN: Final = 1.0
_REJECTED: Final = 30.0

log = get_logger(__name__)


class JobSource(Protocol):
    """Where jobs come from."""

    async def job(self, free: int) -> Job | None:
        """Wait for a job while so many seats are free."""
        ...


class JobTaker:
    """Waits for jobs while there is room for one.

    Shape: ``room`` gives how many could be taken now, ``take`` starts one and is False where it
    came too late.
    """

    def __init__(
        self, source: JobSource, *, room: Callable[[], int], take: Callable[[Job], Awaitable[bool]]
    ) -> None:
        self._source = source
        self._room = room
        self._take = take

    async def run(self) -> None:
        """Take jobs for as long as the worker lives."""
        while True:
            if not self._room():
                await asyncio.sleep(_LOOK_EVERY)
                continue
            try:
                job = await self._ask()
            except Unreachable:
                await asyncio.sleep(_AGAIN)
            except Rejected as rejection:
                # A dialer of an earlier version: LiveKit brings its jobs.
                log.info("no_jobs_from_dialer", status=rejection.status)
                await asyncio.sleep(_REJECTED)
            else:
                if job is not None:
                    await self._start(job)

    async def _ask(self) -> Job | None:
        """Ask, and take the question back once there is no room any more."""
        asked = asyncio.ensure_future(self._source.job(self._room()))
        try:
            while not asked.done() and self._room():
                await asyncio.wait([asked], timeout=_LOOK_EVERY)
            return asked.result() if asked.done() else None
        finally:
            asked.cancel()

    async def _start(self, job: Job) -> None:
        try:
            if not await self._take(job):
                # The dialer asks LiveKit for an agent when none of us joins.
                log.info("job_came_too_late")
        except Exception as error:
            log.error("job_not_started", error=type(error).__name__)
