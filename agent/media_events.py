"""Wakes only the call that an event of the media library is for.

The native side tells all of a process's calls about every frame and every answer of each of them;
their event loops wake up, look, and drop what is not theirs. What they look for is known before:
whoever waits for one event says by what he knows it. Asking that before he is woken leaves the
loops of all other calls asleep.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from livekit.rtc import _ffi_client, _utils  # pyright: ignore[reportPrivateUsage]

#: Answers that are waited for one by one, by who asked; a room has no use for them.
_ANSWERS: Final = frozenset({"capture_audio_frame", "get_stats"})

_Event = TypeVar("_Event")
Wanted = Callable[[Any], bool]


class _Queue(_utils.Queue[Any]):
    """A queue that remembers what its one reader waits for.

    Each reader of the library waits on a queue of its own, and always for the same.
    """

    wanted: Wanted | None = None

    async def wait_for(self, fnc: Wanted) -> Any:
        self.wanted = fnc
        return await super().wait_for(fnc)


class Events(_ffi_client.FfiQueue[_Event]):
    """The library's distribution of events, which leaves alone who would drop them."""

    def put(self, item: Any) -> None:
        """Hand an event to all who may want it; called on the native side's threads."""
        kind = item.WhichOneof("message")
        with self._lock:
            readers = list(self._subscribers)
        for queue, loop, fits in readers:
            if _wants(cast("_Queue", queue), fits, kind, item):
                try:
                    loop.call_soon_threadsafe(queue.put_nowait, item)
                except RuntimeError:
                    # Its loop is closed: the call is over.
                    continue

    def subscribe(
        self, loop: asyncio.AbstractEventLoop | None = None, filter_fn: Wanted | None = None
    ) -> _utils.Queue[Any]:
        """Give a new reader his queue."""
        queue = _Queue()
        with self._lock:
            self._subscribers.append((queue, loop or asyncio.get_event_loop(), filter_fn))
        return queue


def _wants(queue: _Queue, fits: Wanted | None, kind: str | None, item: Any) -> bool:
    if queue.wanted is not None:
        return queue.wanted(item)
    if fits is None:
        # He has subscribed and not said yet what he waits for.
        return True
    return kind not in _ANSWERS and fits(item)


def wake_only_who_is_meant() -> None:
    """Take over the distribution, before the library is started by who needs it first."""
    _ffi_client.FfiQueue = Events
