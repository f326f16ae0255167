"""Jobs that the dialer gives are started like LiveKit's own, and share their seats."""

from __future__ import annotations

from typing import Any

import pytest
from livekit import api
from livekit.agents.job import RunningJobInfo

from agent.server import Seats, TelephonyServer
from agent.settings import Settings
from telephony.worker_contract import Job

JOB = Job(room="tel-att_1", metadata='{"version": 1}')
SECRET = "s" * 40


class Threads:
    """Where jobs would run."""

    def __init__(self) -> None:
        self.launched: list[RunningJobInfo] = []
        self.fail = False

    async def launch_job(self, info: RunningJobInfo) -> None:
        if self.fail:
            raise RuntimeError("no thread")
        self.launched.append(info)


class Server(TelephonyServer):
    """A server that is registered when a test says so."""

    here = True

    @property
    def registered(self) -> bool:
        return self.here


def server(monkeypatch: pytest.MonkeyPatch, capacity: int = 1) -> tuple[Server, Threads, Seats]:
    """Make a server of so many seats."""
    values: dict[str, Any] = {
        "worker_token": "t",
        "worker_id": "w1",
        "livekit_api_key": "key",
        "livekit_api_secret": SECRET,
    }
    settings = Settings(_env_file=None, **values)  # pyright: ignore[reportCallIssue]
    seats, threads = Seats(capacity), Threads()
    made = Server(settings, seats)
    monkeypatch.setattr(made, "_proc_pool", threads, raising=False)
    return made, threads, seats


@pytest.mark.asyncio
async def test_a_job_takes_a_seat_and_may_join_its_own_room_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, threads, seats = server(monkeypatch)
    assert made.room_for == 1
    assert await made.take(JOB)
    assert (made.room_for, seats.taken) == (0, 1)
    assert not await made.take(JOB)

    (info,) = threads.launched
    assert info.job.metadata == JOB.metadata and info.job.room.name == JOB.room
    claims = api.TokenVerifier("key", SECRET).verify(info.token)
    assert claims.identity == info.accept_arguments.identity == f"agent-{info.job.id}"
    assert claims.kind == "agent"
    assert claims.video is not None and claims.video.room_join
    assert claims.video.room == JOB.room
    seats.free(info.job.id)
    assert made.room_for == 1


@pytest.mark.asyncio
async def test_a_job_that_could_not_be_started_gives_its_seat_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, threads, seats = server(monkeypatch)
    threads.fail = True
    with pytest.raises(RuntimeError):
        await made.take(JOB)
    assert seats.taken == 0


@pytest.mark.asyncio
async def test_a_worker_that_livekit_does_not_know_takes_no_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, threads, _ = server(monkeypatch)
    made.here = False
    assert made.room_for == 0 and not await made.take(JOB)
    assert threads.launched == []
