"""Jobs from the dialer: asked for while there is room, and started once each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from agent.dialer_client import Rejected, Unreachable
from agent.job_taker import JobTaker
from telephony.worker_contract import Job
from tests.kit.until import until

JOB = Job(room="tel-att_1", metadata="{}")


class Dialer:
    """Gives what a test puts in, and counts who waits."""

    def __init__(self) -> None:
        self.jobs: asyncio.Queue[Job | Exception | None] = asyncio.Queue()
        self.asked: list[int] = []
        self.waiting = 0

    async def job(self, free: int) -> Job | None:
        self.asked.append(free)
        self.waiting += 1
        try:
            given = await self.jobs.get()
        finally:
            self.waiting -= 1
        if isinstance(given, Exception):
            raise given
        return given


class Seats:
    """A worker with so many seats."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.taken: list[Job] = []
        self.fails = False

    async def take(self, job: Job) -> bool:
        if self.fails:
            raise RuntimeError("no thread could be started")
        self.taken.append(job)
        self.left -= 1
        return True


@asynccontextmanager
async def taking(dialer: Dialer, seats: Seats) -> AsyncGenerator[None]:
    """Take jobs beside the test."""
    task = asyncio.create_task(JobTaker(dialer, room=lambda: seats.left, take=seats.take).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.asyncio
async def test_jobs_are_taken_until_the_seats_are_full() -> None:
    dialer, seats = Dialer(), Seats(2)
    for given in (JOB, None, JOB, JOB):
        dialer.jobs.put_nowait(given)
    async with taking(dialer, seats):
        await until(lambda: len(seats.taken) == 2)
        seats.left = 1
        await until(lambda: len(seats.taken) == 3)
    assert dialer.asked == [2, 1, 1, 1]


@pytest.mark.asyncio
async def test_a_worker_that_fills_up_otherwise_asks_no_longer() -> None:
    dialer, seats = Dialer(), Seats(1)
    async with taking(dialer, seats):
        await until(lambda: dialer.waiting == 1)
        seats.left = 0
        await until(lambda: dialer.waiting == 0)
    assert seats.taken == []


@pytest.mark.asyncio
async def test_a_job_that_cannot_be_started_is_not_the_last_one() -> None:
    dialer, seats = Dialer(), Seats(2)
    async with taking(dialer, seats):
        seats.fails = True
        dialer.jobs.put_nowait(JOB)
        await until(lambda: len(dialer.asked) == 2)
        seats.fails = False
        dialer.jobs.put_nowait(JOB)
        await until(lambda: seats.taken == [JOB])


@pytest.mark.asyncio
async def test_a_dialer_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.job_taker._AGAIN", 0.01)
    monkeypatch.setattr("agent.job_taker._REJECTED", 0.01)
    dialer, seats = Dialer(), Seats(1)
    for given in (Unreachable("gone"), Rejected(404), JOB):
        dialer.jobs.put_nowait(given)
    async with taking(dialer, seats):
        await until(lambda: seats.taken == [JOB])
