"""Turn Ctrl-C, SIGTERM and SIGHUP into one clean ending."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_interrupted(work: Coroutine[Any, Any, int], *, when_told: int = 0) -> int:
    """Run the work; a signal cancels it once, and further ones change nothing.

    Shape: gives the work's own status, or ``when_told`` when a signal ended it.
    """
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        return when_told
