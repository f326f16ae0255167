"""Presence: the worker tells the dialer what it can take, every second and at every change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from agent.dialer_client import DialerClient, Rejected, Unreachable
from agent.logs import get_logger
from telephony.worker_contract import PRESENCE_INTERVAL, WorkerPresence

_LOOK_EVERY = 0.1

log = get_logger(__name__)


class PresenceReporter:
    """Sends presence until cancelled.

    Shape: ``snapshot`` tells how the worker stands now; it is asked ten times a second, and a
    change is sent at once.
    """

    def __init__(self, dialer: DialerClient, snapshot: Callable[[], WorkerPresence]) -> None:
        self._dialer = dialer
        self._snapshot = snapshot
        self._trouble: str | None = None

    async def run(self) -> None:
        """Send presence for as long as the worker lives."""
        sent: WorkerPresence | None = None
        due = 0.0
        while True:
            now = self._snapshot()
            if now != sent or time.monotonic() >= due:
                due = time.monotonic() + PRESENCE_INTERVAL.total_seconds()
                sent = now if await self._send(now) else None
                if sent is None:
                    await asyncio.sleep(PRESENCE_INTERVAL.total_seconds() / 4)
            await asyncio.sleep(_LOOK_EVERY)

    async def _send(self, presence: WorkerPresence) -> bool:
        try:
            await self._dialer.presence(presence)
        except Unreachable:
            self._note("dialer_unreachable")
            return False
        except Rejected as rejection:
            self._note(f"presence_rejected_{rejection.status}")
            return False
        self._note(None)
        return True

    def _note(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        if trouble is None:
            log.info("presence_restored")
        else:
            log.warning("presence_not_taken", trouble=trouble)
        self._trouble = trouble
