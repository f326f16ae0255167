"""Signals between the dialer's processes, through Redis pub/sub.

This process hears its own signals at once and without Redis. The others hear them as long as Redis
is there; a signal that is lost costs them the time until they look by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any

import structlog
from redis.asyncio import Redis

from dialer.adapters.redis_client import translated
from dialer.calls.looping import ended, keep_going
from dialer.calls.signals import LocalSignals

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: More than this waits only while Redis is away, and then it is of no use later.
_MOST_WAITING = 1000
#: Units: seconds. What is said meanwhile goes out together, and once.
_REST = 0.005


class RedisSignals(LocalSignals):
    """The port ``dialer.calls.signals.Signals``; ``run`` must run for signals to travel."""

    def __init__(self, redis: Redis, *, deployment: str) -> None:
        super().__init__()
        self._redis: Any = redis  # its methods are typed in parts only
        self._channel = f"telephony:{deployment}:signals"
        self._me = secrets.token_hex(8)
        self._outgoing: asyncio.Queue[tuple[str, ...]] = asyncio.Queue(_MOST_WAITING)
        self._unsent: set[tuple[str, ...]] = set()

    async def call_changed(self, tenant_id: str, call_id: str) -> None:
        """Wake who watches this call."""
        await super().call_changed(tenant_id, call_id)
        self._send("call", tenant_id, call_id)

    async def work_waiting(self) -> None:
        """Wake the dispatcher."""
        await super().work_waiting()
        self._send("work")

    async def rooms_changed(self) -> None:
        """Wake the reaper."""
        await super().rooms_changed()
        self._send("rooms")

    async def run(self) -> None:
        """Carry signals in and out until cancelled."""
        both = [
            asyncio.create_task(keep_going("signals out", self._carry_out)),
            asyncio.create_task(keep_going("signals in", self._carry_in)),
        ]
        try:
            await asyncio.gather(*both)
        finally:
            # A TaskGroup cancels its tasks once, and waits for ever for one that missed it.
            await ended(both, between=0.1)

    def _send(self, *what: str) -> None:
        if what in self._unsent:
            return  # what was not said yet need not be said twice
        with contextlib.suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(what)
            self._unsent.add(what)

    async def _carry_out(self) -> float:
        outgoing = [await self._outgoing.get()]
        while not self._outgoing.empty():
            outgoing.append(self._outgoing.get_nowait())
        # Before they are sent: what changes while they are under way must be said again.
        self._unsent.difference_update(outgoing)
        async with translated(), self._redis.pipeline(transaction=False) as pipeline:
            for what in outgoing:
                pipeline.publish(self._channel, json.dumps([self._me, *what]))
            await pipeline.execute()
        return _REST

    async def _carry_in(self) -> float:
        async with translated(), self._redis.pubsub() as listener:
            await listener.subscribe(self._channel)
            # What was said before we listened is unknown: everybody looks for himself.
            await self._wake_all()
            while True:
                message: dict[str, Any] | None = await listener.get_message(
                    ignore_subscribe_messages=True, timeout=1.0
                )
                if message is not None:
                    await self._hear(json.loads(message["data"]))

    async def _hear(self, message: list[str]) -> None:
        match message:
            case [sender, *_] if sender == self._me:
                pass
            case [_, "call", tenant_id, call_id]:
                await super().call_changed(tenant_id, call_id)
            case [_, "work"]:
                await super().work_waiting()
            case [_, "rooms"]:
                await super().rooms_changed()
            case _:
                log.info("signal not understood")

    async def _wake_all(self) -> None:
        await super().work_waiting()
        await super().rooms_changed()
        for tenant_id, call_id in self.watched():
            await super().call_changed(tenant_id, call_id)
