"""Watches the worker from outside its event loops: a stuck call, a stuck process, a leak.

Each call lives on the loop of a thread of its own. A loop that is blocked while the interpreter is
free stops one call; this thread sees it and has the call given up. What holds the interpreter
itself stops this thread as well: then a timer in C, which needs no interpreter, ends the process.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from agent.logs import get_logger

#: Units: seconds. A loop that does nothing for so long is stuck; no model or disk blocks it.
STALLED: Final = 5.0
#: Shorter than a worker may be silent, so that LiveKit offers no rescue to a process that is stuck.
PROCESS_STALLED: Final = 3.5
_BEAT: Final = 0.5
#: Above its limit by so much, a process is not waited for.
_HARD_LIMIT: Final = 1.25
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

log = get_logger(__name__)


class Pulse:
    """Tells that an event loop goes round; made on that loop."""

    def __init__(self, attempt_id: str | None = None) -> None:
        self.attempt_id = attempt_id
        self.stuck = False
        self.last = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_BEAT, self._beat)

    def stop(self) -> None:
        """Beat no more."""
        self._timer.cancel()

    def _beat(self) -> None:
        self.last = time.monotonic()
        self._timer = self._loop.call_later(_BEAT, self._beat)


class Watchdog:
    """The watching thread of a worker.

    Shape: ``calls`` gives the pulses of the live calls, ``own`` is the worker's own. ``give_up`` is
    told of every call that is stuck, ``replace`` why the process should take no more calls and end
    with its last one; both are called on this thread. Units: ``memory_limit`` in bytes, 0 for none.
    """

    def __init__(
        self,
        *,
        own: Pulse,
        calls: Callable[[], Iterable[Pulse]],
        give_up: Callable[[Pulse], None],
        replace: Callable[[str], None],
        memory_limit: int,
        memory: Callable[[], int] = lambda: resident_memory(),
        end: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGKILL),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = own
        self._calls = calls
        self._give_up = give_up
        self._replace = replace
        self._memory_limit = memory_limit
        self._memory = memory
        self._end = end
        self._clock = clock
        self._looked = clock()
        self._full = False
        self._doomed = False
        self._blind = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._looked = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        faulthandler.cancel_dump_traceback_later()

    def _run(self) -> None:
        while not self._stop.wait(_BEAT):
            # Armed anew at every round; it prints frames without values, so nothing personal.
            faulthandler.dump_traceback_later(PROCESS_STALLED, exit=True)
            try:
                self.look()
            except Exception as error:
                # With this thread the timer would end the process, and all its calls with it.
                self._failed(error)
        faulthandler.cancel_dump_traceback_later()

    def _failed(self, error: Exception) -> None:
        if not self._blind:
            self._blind = True
            log.error("watchdog_failed", error=type(error).__name__)
            self._replace("the watchdog failed")

    def look(self) -> None:
        """Look once."""
        now = self._clock()
        asleep, self._looked = now - self._looked > STALLED / 2, now
        if not asleep:
            # Who was asleep himself cannot say that others did nothing.
            self._look_at_loops(now)
        self._look_at_memory()

    def _look_at_loops(self, now: float) -> None:
        for pulse in list(self._calls()):
            if not pulse.stuck and now - pulse.last > STALLED:
                log.error("call_stuck", attempt_id=pulse.attempt_id)
                self._give_it_up(pulse)
                self._replace("a call is stuck")
        if now - self._own.last > STALLED:
            # It can neither report nor take anything: others have its calls by now.
            log.error("worker_stuck")
            self._end()

    def _look_at_memory(self) -> None:
        if not self._memory_limit:
            return
        if self._doomed:
            # Its calls are others' by now, however much memory came free meanwhile.
            self._end()
            return
        used = self._memory()
        if used > self._memory_limit * _HARD_LIMIT:
            log.error("memory_exhausted", megabytes=used >> 20)
            self._end_without_memory()
        elif used > self._memory_limit and not self._full:
            self._full = True
            log.error("memory_limit_reached", megabytes=used >> 20)
            self._replace("the memory limit is reached")

    def _end_without_memory(self) -> None:
        calls = [*self._calls()]
        if not calls:
            self._end()
        # Told before it ends, others have its calls seconds sooner than by its silence.
        self._doomed = True
        for pulse in calls:
            if not pulse.stuck:
                self._give_it_up(pulse)

    def _give_it_up(self, pulse: Pulse) -> None:
        pulse.stuck = True
        self._give_up(pulse)


def resident_memory() -> int:
    """Give the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
