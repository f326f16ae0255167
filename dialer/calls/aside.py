"""Work that a loop begins and does not wait for: what takes long for one call holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

import structlog

from dialer.calls.looping import ended
from telephony.errors import Unavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Aside:
    """Work under way, one of each name.

    Shape: what fails is told and is over; whoever looks next may begin it anew.
    """

    def __init__(self, loop: str) -> None:
        self._loop = loop
        self._under_way: dict[Hashable, asyncio.Task[None]] = {}

    def __contains__(self, name: Hashable) -> bool:
        """Say whether work of this name is under way."""
        return name in self._under_way

    def begin(self, name: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin it, unless it is under way."""
        if name in self._under_way:
            return
        task = asyncio.create_task(self._guarded(name, work))
        self._under_way[name] = task
        task.add_done_callback(lambda _: self._under_way.pop(name, None))

    async def _guarded(self, name: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Unavailable as error:
            log.warning("work interrupted", loop=self._loop, of=name, code=error.code)
        except Exception:
            log.exception("work failed", loop=self._loop, of=name)

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """End what is under way."""
        await ended(self._under_way.values(), between=0.1)
