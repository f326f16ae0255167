"""Work that a loop does not wait for."""

from __future__ import annotations

import asyncio

from dialer.calls.aside import Aside
from telephony.errors import Unavailable


async def test_work_of_one_name_is_under_way_once() -> None:
    aside, begun, over = Aside("test"), list[str](), asyncio.Event()

    async def work() -> None:
        begun.append("x")
        await over.wait()

    for _ in range(3):
        aside.begin("x", work)
        await asyncio.sleep(0)
    assert begun == ["x"] and "x" in aside and "y" not in aside
    over.set()
    await asyncio.wait_for(aside.settled(), 10)
    assert "x" not in aside


async def test_what_failed_may_be_begun_anew() -> None:
    aside, fails = Aside("test"), [Unavailable("database_unavailable", "No."), ValueError("x")]
    done = asyncio.Event()

    async def work() -> None:
        if fails:
            raise fails.pop()
        done.set()

    for _ in range(3):
        aside.begin("x", work)
        await asyncio.wait_for(aside.settled(), 10)
    assert done.is_set()


async def test_what_is_under_way_ends_with_the_loop() -> None:
    aside, begun, ended = Aside("test"), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    aside.begin("x", work)
    await asyncio.wait_for(begun.wait(), 10)
    await asyncio.wait_for(aside.stop(), 10)
    assert ended.is_set() and "x" not in aside
