"""Keep a loop of the dialer alive, whatever fails in a round, until it is told to end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from telephony.errors import Unavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds.
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 5.0
#: How often a loop is told to end, and the seconds between two times.
_TOLD_TO_END = 10
_BETWEEN = 1.0


async def keep_going(
    name: str,
    step: Callable[[], Awaitable[float]],
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    *,
    on_failure: Callable[[], None] = lambda: None,
) -> None:
    """Run ``step`` again and again, until cancelled.

    Shape: a step gives the seconds to wait at most before the next one; ``wait`` may return sooner.
    ``on_failure`` hears of every step that failed, for what the loop believed to be void.
    """
    failures = 0
    while True:
        try:
            pause = await step()
        except Exception as error:
            failures += 1
            on_failure()
            pause = min(_FIRST_BACKOFF * 2 ** min(failures - 1, 8), _LONGEST_BACKOFF)
            _tell(name, error, failures)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            continue
        if failures:
            log.info("loop recovered", loop=name, failures=failures)
            failures = 0
        await wait(pause)


async def ended(tasks: Iterable[asyncio.Task[Any]], *, between: float = _BETWEEN) -> None:
    """Cancel until all of them are over; one cancellation can be lost inside of a library.

    Units: ``between`` in seconds; whoever is ended this way himself asks more often.
    Source: python/cpython#86296: before 3.12 ``wait_for`` may swallow one that comes in the moment
    in which what it waits for is done.
    """
    pending = set(tasks)
    for _ in range(_TOLD_TO_END):
        if not pending:
            return
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=between)
    for task in pending:
        log.error("loop does not end", loop=task.get_name())


def _tell(name: str, error: Exception, failures: int) -> None:
    if isinstance(error, Unavailable):
        # An outage is told when it begins, not at every look.
        if failures == 1:
            log.warning("loop waits", loop=name, code=error.code)
        return
    log.error("loop failed", loop=name, failures=failures, exc_info=error)
