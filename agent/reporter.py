"""Reports what happens in a call to the dialer: in order, at least once, never in the call's way.

``Reporter`` belongs to the job: it numbers an event, writes it to the spool and hands it over.
``Deliveries`` belongs to the worker: it sends what it was handed until the dialer has stored it,
also after the job is over, and at a start also what an earlier life of the worker left behind.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from agent.dialer_client import Rejected, Unreachable
from agent.logs import get_logger
from agent.spool import Owner, Spool, leftovers
from telephony.events import Data, EventType, Nothing
from telephony.worker_contract import EventBatch, ReportedEvent

_BATCH = 100
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0

log = get_logger(__name__)


class EventSink(Protocol):
    """Where events are delivered to."""

    async def events(self, attempt_id: str, token: str, batch: EventBatch) -> int:
        """Deliver events; give the sequence up to which all are stored."""
        ...


class _Line:
    """A sink whose outages are logged, once each and not once for each attempt."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._away = False

    async def events(self, attempt_id: str, token: str, batch: EventBatch) -> int:
        """Deliver events."""
        try:
            stored = await self._sink.events(attempt_id, token, batch)
        except Unreachable as error:
            if not self._away:
                self._away = True
                log.warning("events_not_delivered", error=str(error))
            raise
        if self._away:
            self._away = False
            log.info("events_delivered_again")
        return stored


class Delivery:
    """The events of one attempt on their way."""

    def __init__(self, owner: Owner, spool: Spool, events: list[ReportedEvent]) -> None:
        self.owner = owner
        self.spool = spool
        self._waiting = deque(events)
        self._more = asyncio.Event()
        self._complete = False
        if events:
            self._more.set()

    def add(self, event: ReportedEvent) -> None:
        """Take one more event."""
        self._waiting.append(event)
        self._more.set()

    def complete(self) -> None:
        """Say that no event follows."""
        self._complete = True
        self._more.set()

    async def run(self, sink: EventSink) -> None:
        """Deliver until nothing is left and nothing follows."""
        pause = _FIRST_PAUSE
        while True:
            await self._more.wait()
            if not self._waiting:
                if self._complete:
                    self.spool.remove()
                    return
                self._more.clear()
                continue
            batch = EventBatch(events=list(self._waiting)[:_BATCH])
            try:
                stored = await sink.events(self.owner.attempt_id, self.owner.token, batch)
            except Unreachable:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            except Rejected as rejection:
                self._give_up(rejection.status)
                return
            self._forget(stored)
            if self._waiting and self._waiting[0] is batch.events[0]:
                # An answer that acknowledges nothing: do not ask again at full speed.
                log.warning("events_not_stored", attempt_id=self.owner.attempt_id, stored=stored)
                await asyncio.sleep(_LONGEST_PAUSE)
            pause = _FIRST_PAUSE

    def _forget(self, stored: int) -> None:
        while self._waiting and self._waiting[0].sequence <= stored:
            self._waiting.popleft()

    def _give_up(self, status: int) -> None:
        log.error(
            "events_rejected",
            attempt_id=self.owner.attempt_id,
            call_id=self.owner.call_id,
            status=status,
            events=len(self._waiting),
        )
        self.spool.set_aside()


class Deliveries:
    """All deliveries of one worker; lives on the worker's own event loop."""

    def __init__(self, sink: EventSink, folder: Path) -> None:
        self._sink = _Line(sink)
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[asyncio.Task[None], Delivery] = {}

    def replay(self) -> int:
        """Deliver what an earlier life of this worker left behind; give the number of attempts."""
        found = leftovers(self._folder)
        for owner, spool, events in found:
            delivery = Delivery(owner, spool, events)
            delivery.complete()
            self._start(delivery)
        if found:
            log.info("spool_replayed", attempts=len(found))
        return len(found)

    def reporter(self, owner: Owner) -> Reporter:
        """Give the reporter of one attempt; callable from any thread."""
        spool = Spool(self._folder, owner)
        delivery = Delivery(owner, spool, [])
        self._loop.call_soon_threadsafe(self._start, delivery)
        return Reporter(spool, lambda done: self._from_job(delivery, done))

    def _from_job(self, delivery: Delivery, event: ReportedEvent | None) -> None:
        if event is None:
            self._loop.call_soon_threadsafe(delivery.complete)
        else:
            self._loop.call_soon_threadsafe(delivery.add, event)

    def _start(self, delivery: Delivery) -> None:
        task = asyncio.create_task(delivery.run(self._sink))
        self._tasks[task] = delivery
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        delivery = self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is None or delivery is None:
            return
        log.error(
            "delivery_died",
            attempt_id=delivery.owner.attempt_id,
            call_id=delivery.owner.call_id,
            error=type(error).__name__,
        )
        # What it had not delivered stays in the spool for the next start.
        delivery.spool.close()

    async def settle(self, timeout: float) -> bool:
        """Wait until all is delivered; what is not stays in the spool for the next start."""
        # Deliveries that jobs handed over a moment ago are started by the loop's next turn.
        await asyncio.sleep(0)
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=timeout)
        left = len(self._tasks)
        for task, delivery in list(self._tasks.items()):
            task.cancel()
            delivery.spool.close()
        if left:
            log.warning("events_left_in_spool", attempts=left)
        return left == 0


class Reporter:
    """Numbers and hands over the events of one attempt."""

    def __init__(self, spool: Spool, hand_over: Callable[[ReportedEvent | None], None]) -> None:
        self._spool = spool
        self._hand_over = hand_over
        self._sequence = 0
        self._closed = False

    def report(
        self, type_: EventType, data: Data | None = None, *, at: datetime | None = None
    ) -> None:
        """Report an event; returns at once. After close() nothing is reported any more."""
        if self._closed:
            return
        self._sequence += 1
        event = ReportedEvent(
            sequence=self._sequence,
            type=type_,
            occurred_at=at or datetime.now(UTC),
            data=(data or Nothing()).model_dump(mode="json", exclude_none=True),
        )
        self._spool.append(event)
        self._hand_over(event)

    def close(self) -> None:
        """Say that no event follows."""
        if not self._closed:
            self._closed = True
            self._hand_over(None)
