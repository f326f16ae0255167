"""Wake-ups: a hint that something changed, never the change itself.

Every waiter reads the database first and again after waking, so a lost signal costs time and
nothing else. ``LocalSignals`` is the half that lives in one process; the Redis adapter carries the
same hints between processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol


class Watch(Protocol):
    """One listener of one call; a change between two waits is not lost."""

    async def wait(self, timeout: float) -> bool:
        """Return True at once or as soon as the call changed since the last wait, else False."""
        ...


class Signals(Protocol):
    """What wakes whom.

    Units: ``timeout`` in seconds.
    """

    async def call_changed(self, tenant_id: str, call_id: str) -> None:
        """Wake who watches this call; call it after the commit."""
        ...

    async def work_waiting(self) -> None:
        """Wake the dispatcher: a call was queued, or a worker or a slot came free."""
        ...

    async def rooms_changed(self) -> None:
        """Wake the reaper: LiveKit reported something about a room of ours."""
        ...

    def watch_call(self, tenant_id: str, call_id: str) -> AbstractAsyncContextManager[Watch]:
        """Listen to one call from now on: enter before reading the database, wait after it."""
        ...

    async def wait_call(self, tenant_id: str, call_id: str, timeout: float) -> None:
        """Wait for one change of this call from now on, at most ``timeout``."""
        ...

    async def wait_work(self, timeout: float) -> None:
        """Wait until work was signalled since the last wait, at most ``timeout``."""
        ...

    async def wait_rooms(self, timeout: float) -> None:
        """Wait until rooms were signalled since the last wait, at most ``timeout``."""
        ...


async def _within(event: asyncio.Event, timeout: float) -> bool:
    if not event.is_set():
        # Not wait_for: Python 3.11's loses a cancellation that meets the event, and with it the
        # end of the loop that waits here (python/cpython#86296).
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return False
    event.clear()
    return True


class _EventWatch:
    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def wait(self, timeout: float) -> bool:
        return await _within(self.event, timeout)


class LocalSignals:
    """Signals within one process."""

    def __init__(self) -> None:
        self._work = asyncio.Event()
        self._rooms = asyncio.Event()
        self._watches: dict[tuple[str, str], set[_EventWatch]] = {}

    async def call_changed(self, tenant_id: str, call_id: str) -> None:
        """Wake who watches this call."""
        for watch in tuple(self._watches.get((tenant_id, call_id), ())):
            watch.event.set()

    async def work_waiting(self) -> None:
        """Wake the dispatcher."""
        self._work.set()

    async def rooms_changed(self) -> None:
        """Wake the reaper."""
        self._rooms.set()

    @asynccontextmanager
    async def watch_call(self, tenant_id: str, call_id: str) -> AsyncGenerator[Watch]:
        """Listen to one call from now on."""
        key = (tenant_id, call_id)
        watch = _EventWatch()
        self._watches.setdefault(key, set()).add(watch)
        try:
            yield watch
        finally:
            listeners = self._watches[key]
            listeners.discard(watch)
            if not listeners:
                del self._watches[key]

    def watched(self) -> list[tuple[str, str]]:
        """List the calls that somebody watches."""
        return list(self._watches)

    async def wait_call(self, tenant_id: str, call_id: str, timeout: float) -> None:
        """Wait for one change of this call from now on."""
        async with self.watch_call(tenant_id, call_id) as watch:
            await watch.wait(timeout)

    async def wait_work(self, timeout: float) -> None:
        """Wait until work was signalled since the last wait."""
        await _within(self._work, timeout)

    async def wait_rooms(self, timeout: float) -> None:
        """Wait until rooms were signalled since the last wait."""
        await _within(self._rooms, timeout)
