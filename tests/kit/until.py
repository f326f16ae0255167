"""Wait for a condition, never for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

#: A test says what a machine of its own needs; a busy one gets as many times that.
_BUSY_MACHINE = 4


async def until(
    predicate: Callable[[], T | Awaitable[T | None] | None],
    timeout: float = 10.0,
    *,
    every: float = 0.05,
    what: str = "",
) -> T:
    """Ask again and again until the answer is true, and give it.

    Units: seconds. Errors: AssertionError with ``what`` and the last answer after a multiple of
    ``timeout``, which is what an idle machine needs at most.
    """
    timeout *= _BUSY_MACHINE
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer  # pyright: ignore[reportReturnType]
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or predicate}; last: {answer!r}")
        await asyncio.sleep(every)


def until_sync(
    predicate: Callable[[], T | None], timeout: float = 10.0, *, every: float = 0.05, what: str = ""
) -> T:
    """Do the same without an event loop."""
    timeout *= _BUSY_MACHINE
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or predicate}; last: {answer!r}")
        time.sleep(every)
    return answer
