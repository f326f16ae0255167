"""The dialer's loops end when they are told to."""

from __future__ import annotations

import asyncio

import pytest

from dialer.calls import looping

pytestmark = pytest.mark.asyncio


async def deaf(times: int) -> None:
    """Lose so many cancellations, as a library may."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_a_loop_that_loses_a_cancellation_is_told_again() -> None:
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)
    await asyncio.wait_for(looping.ended(tasks, between=0.01), 10)
    assert all(task.cancelled() for task in tasks)


async def test_a_loop_that_never_ends_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looping, "_TOLD_TO_END", 3)
    task = asyncio.create_task(deaf(5))
    await asyncio.sleep(0)
    await asyncio.wait_for(looping.ended([task], between=0.01), 10)
    assert not task.done()
    await asyncio.wait_for(looping.ended([task], between=0.01), 10)
    assert task.cancelled()


async def test_one_that_failed_already_stops_nothing() -> None:
    async def failing() -> None:
        raise OSError

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await looping.ended([task], between=0.01)
    assert isinstance(task.exception(), OSError)
