"""Jobs that go straight to a worker that waits for one."""

from __future__ import annotations

import asyncio

from dialer.workers.jobs import Jobs
from telephony.dial_request import DialRequest
from telephony.worker_contract import Job
from tests.kit.switchboard import Switchboard
from tests.kit.until import until

JOB = Job(room="tel-att_1", metadata="{}")


def waits(
    jobs: Jobs, worker_id: str, free: int = 1, within: float = 30
) -> asyncio.Task[Job | None]:
    """Let a worker wait."""
    return asyncio.create_task(jobs.wait(worker_id, free=free, within=within))


async def test_a_waiting_worker_gets_the_call_and_livekit_is_not_asked(board: Switchboard) -> None:
    await board.worker()
    call_id = await board.place()
    asked = waits(board.jobs, "w1")
    await until(lambda: board.jobs.somebody_waits)

    await board.dispatch()

    job, attempt = await asked, await board.attempt(call_id)
    assert job is not None and job.room == attempt.room
    assert DialRequest.from_metadata(job.metadata).attempt_id == attempt.id
    assert board.rooms.rooms[job.room].dispatches == []
    assert attempt.dispatched_at is not None and not board.jobs.somebody_waits


async def test_a_job_that_got_lost_is_dispatched_by_livekit(board: Switchboard) -> None:
    await board.worker()
    call_id = await board.place()
    asked = waits(board.jobs, "w1")
    await until(lambda: board.jobs.somebody_waits)
    await board.dispatch()
    lost = await asked
    assert lost is not None

    board.clock.forward(3.1)
    await board.worker()
    await board.dispatch()

    assert board.rooms.redispatched == [lost.room]
    assert (await board.grant(call_id)).fence == 2


async def test_a_second_job_finds_a_room_though_the_first_ones_was_lost(
    board: Switchboard,
) -> None:
    await board.worker()
    call_id = await board.place()
    asked = waits(board.jobs, "w1")
    await until(lambda: board.jobs.somebody_waits)
    await board.dispatch()
    lost = await asked
    assert lost is not None
    board.rooms.rooms.clear()  # Its livekit-server was stopped before anybody had joined.

    board.clock.forward(3.1)
    await board.worker()
    again = waits(board.jobs, "w1")
    await until(lambda: board.jobs.somebody_waits)
    await board.dispatch()

    assert (job := await again) is not None and job.room in board.rooms.rooms
    assert (await board.attempt(call_id)).fence == 2


async def test_a_worker_that_leaves_while_the_room_is_made_costs_nothing(
    board: Switchboard,
) -> None:
    await board.worker()
    call_id = await board.place()
    asked = waits(board.jobs, "w1")
    await until(lambda: board.jobs.somebody_waits)
    board.rooms.creating.clear()
    await board.dispatcher.step()
    asked.cancel()
    await until(lambda: not board.jobs.somebody_waits)
    board.rooms.creating.set()
    await board.dispatcher.settled()

    room = (await board.attempt(call_id)).room
    assert len(board.rooms.rooms[room].dispatches) == 1


async def test_the_worker_with_the_most_room_is_given_the_job() -> None:
    jobs = Jobs()
    small, large = waits(jobs, "w1", free=1), waits(jobs, "w2", free=4)
    await until(lambda: jobs.somebody_waits)
    assert jobs.give(JOB)
    assert await large == JOB
    assert jobs.give(JOB)
    assert await small == JOB
    assert not jobs.give(JOB)


async def test_a_worker_that_asks_again_gets_one_job_and_not_two() -> None:
    jobs = Jobs()
    first = waits(jobs, "w1")
    await until(lambda: jobs.somebody_waits)
    second = waits(jobs, "w1")
    assert await first is None
    assert jobs.give(JOB) and await second == JOB
    assert not jobs.give(JOB)


async def test_who_waits_in_vain_is_told_so() -> None:
    jobs = Jobs()
    assert await jobs.wait("w1", free=1, within=0.01) is None
    assert not jobs.somebody_waits
