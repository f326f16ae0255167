"""Wake-ups within one process."""

from __future__ import annotations

import asyncio
import time

from dialer.calls.signals import LocalSignals


async def test_work_that_was_signalled_before_the_wait_is_not_lost() -> None:
    signals = LocalSignals()
    await signals.work_waiting()
    async with asyncio.timeout(30):
        await signals.wait_work(60)


async def test_without_a_signal_the_wait_ends_by_itself() -> None:
    began = time.monotonic()
    await LocalSignals().wait_work(0.02)
    assert time.monotonic() - began < 5


async def test_a_change_between_two_waits_is_seen_by_the_next() -> None:
    signals = LocalSignals()
    async with signals.watch_call("t", "c") as watch:
        await signals.call_changed("t", "c")
        assert await watch.wait(0)
        assert not await watch.wait(0)


async def test_a_watch_hears_its_own_call_only() -> None:
    signals = LocalSignals()
    async with signals.watch_call("t", "c") as watch:
        await signals.call_changed("t", "other")
        await signals.call_changed("other", "c")
        assert not await watch.wait(0)


async def test_everyone_who_watches_a_call_is_woken() -> None:
    signals = LocalSignals()
    waiting = [asyncio.create_task(signals.wait_call("t", "c", 60)) for _ in range(3)]
    await asyncio.sleep(0)
    await signals.call_changed("t", "c")
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)
    assert signals.watched() == []


async def test_a_cancellation_that_meets_a_signal_is_not_lost() -> None:
    for ticks in range(4):
        signals = LocalSignals()
        waiting = asyncio.create_task(signals.wait_work(60))
        await asyncio.sleep(0.01)
        await signals.work_waiting()
        for _ in range(ticks):
            await asyncio.sleep(0)
        # The wait may be over by now; where it is not, its end is the cancellation.
        if waiting.cancel():
            await asyncio.wait([waiting])
            assert waiting.cancelled(), f"after {ticks} ticks"
