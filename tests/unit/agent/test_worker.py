"""A worker that is told to stop, and one that stops by itself."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import signal
from typing import Any, cast

import pytest

from agent.ending import End
from agent.front_office import FrontOffice
from agent.settings import Settings
from agent.worker import Worker
from telephony.call import EndedReason
from tests.kit.ringing import request
from tests.kit.until import until


class OneCall:
    """A worker with one call that goes on until it is ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        values: dict[str, Any] = {
            "worker_token": "t",
            "worker_id": "w1",
            "livekit_api_key": "key",
            "livekit_api_secret": "s" * 40,
        }
        settings = Settings(_env_file=None, **values)  # pyright: ignore[reportCallIssue]
        self.worker = Worker(settings)
        self.end = End()
        self.draining = asyncio.Event()
        self.worker._office = office = FrontOffice(cast("Any", None), cast("Any", None))
        self.call = office.enter(self.end, request())
        monkeypatch.setattr(self.worker._server, "drain", self._drain)

    async def _drain(self) -> None:
        self.draining.set()
        await self.end.wait()

    async def drains(self) -> asyncio.Task[None]:
        """Have it drain, as it does once it is to stop."""
        assert self.worker._stopping.is_set()
        drain = asyncio.create_task(self.worker._drain())
        await self.draining.wait()
        return drain

    def told_to_stop(self) -> None:
        """Send it a signal."""
        self.worker._on_signal(signal.SIGTERM)

    async def ended_by_the_worker(self) -> bool:
        """Wait for its drain to notice what there is to notice; say whether the call was ended."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.end.decided

    def aclose(self) -> None:
        """Stop what it left running."""
        assert self.worker._office is not None
        self.worker._office.leave(self.call)


async def test_the_second_signal_ends_the_calls_and_the_first_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = OneCall(monkeypatch)
    one.told_to_stop()
    drain = await one.drains()
    assert not await one.ended_by_the_worker()
    one.told_to_stop()
    await until(drain.done)
    assert (await one.end.wait()).reason is EndedReason.AGENT_ERROR
    one.aclose()


async def test_a_first_signal_ends_no_call_of_a_worker_that_drains_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = OneCall(monkeypatch)
    one.worker._break("the memory limit is reached")
    drain = await one.drains()
    one.told_to_stop()
    assert not await one.ended_by_the_worker(), "nobody asked for that yet"
    one.told_to_stop()
    await until(drain.done)
    assert one.end.decided
    one.aclose()
