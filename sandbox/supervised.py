"""One process of the sandbox: started, found ready, started again when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox.leash import group_alive
from sandbox.probes import Probe
from sandbox.watched import Watcher

#: A start that takes longer is given up and tried again.
READY_WITHIN: Final = 90.0
#: How often a process may die before it was ever ready.
_FIRST_TRIES: Final = 3
_BACKOFF: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
#: Ready for this long, a process has made good for its earlier deaths.
_SETTLED: Final = 20.0
_POLITE: Final = 3.0
#: How often a process that is held is looked at.
_LOOK_EVERY: Final = 0.1


@dataclass(frozen=True)
class Spec:
    """What a process is: how it is started, what it waits for, when it is ready."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    probe: Probe
    after: tuple[str, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    first_ready_within: float = READY_WITHIN


class NeverReady(Exception):
    """A process could not be brought up; the message says why."""


@dataclass
class Supervised:
    """Keeps one process running."""

    spec: Spec
    watcher: Watcher
    log: Path
    held: Path
    announce: Callable[[str], None]
    changed: Callable[[], None]
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    pid: int | None = None
    stopping: bool = False
    _deaths: int = 0
    _was_ready: bool = False

    async def keep(self) -> None:
        """Run the process and start it again whenever it dies.

        Errors: NeverReady when it does not come up at the very first start.
        """
        while not self.stopping:
            await asyncio.sleep(_BACKOFF[min(self._deaths, len(_BACKOFF) - 1)])
            await self._let_go()
            reason = await self._one_life()
            if self.stopping:
                return
            self._deaths += 1
            if not self._was_ready and self._deaths >= _FIRST_TRIES:
                raise NeverReady(
                    f"{self.spec.name} does not start: {reason}\n{self.last_words(12)}"
                )
            self.announce(self._obituary(reason))

    async def stop(self) -> None:
        """End the process and all that it started: politely, again, then for good."""
        self.stopping = True
        if (group := self.pid) is None:
            return
        for number in (self.spec.stop_signal, self.spec.stop_signal, signal.SIGKILL):
            _signal(group, number)
            if await _gone(group, _POLITE):
                return

    def last_words(self, lines: int) -> str:
        """Give the end of the log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8_000))
                text = file.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(f"    | {line[:300]}" for line in text.splitlines()[-lines:])

    async def _let_go(self) -> None:
        while True:
            if not self.held.exists():
                return
            await asyncio.sleep(_LOOK_EVERY)

    async def _one_life(self) -> str:
        began = time.monotonic()
        process = await self.watcher.start(self.spec.command, self.spec.environment, self.log)
        self.pid = process.pid
        self.changed()
        reason = await self._live(process, began)
        self.ready.clear()
        # Children that outlive their parent would keep its ports.
        _signal(process.pid, signal.SIGKILL)
        await _gone(process.pid, _POLITE)
        self.watcher.ended(process.pid)
        self.pid = None
        self.changed()
        return reason

    async def _live(self, process: asyncio.subprocess.Process, began: float) -> str:
        ended = asyncio.create_task(process.wait())
        # The same at every start: on a machine that is busy, the later ones are no quicker.
        limit = self.spec.first_ready_within
        missing = await self._until_ready(ended, began + limit)
        if missing is not None and not ended.done():
            _signal(process.pid, signal.SIGKILL)
            await ended
            return f"not ready within {limit:.0f} s ({missing})"
        if missing is None:
            self._was_ready = True
            self.ready.set()
            took = time.monotonic() - began
            again = " again" if self._deaths else ""
            self.announce(f"{self.spec.name} is ready{again} after {took:.1f} s")
            await asyncio.wait([ended], timeout=_SETTLED)
            if not ended.done():
                self._deaths = 0
        return how_it_ended(await ended)

    async def _until_ready(self, ended: asyncio.Task[int], deadline: float) -> str | None:
        missing: str | None = "it ended"
        while not ended.done():
            missing = await self.spec.probe()
            if missing is None or time.monotonic() > deadline:
                return missing
            await asyncio.wait([ended], timeout=0.1)
        return missing or "it ended"

    def _obituary(self, reason: str) -> str:
        text = f"{self.spec.name} died ({reason}); starting it again"
        return f"{text}. Its last words:\n{self.last_words(4)}" if self._deaths > 1 else text


def how_it_ended(status: int) -> str:
    """Put an exit status into words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except OSError:
        return


async def _gone(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while group_alive(group):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.03)
    return True
