"""Presences of workers, shared between the dialer's processes through Redis.

Each is a key that expires by itself. What was put through this process is remembered in it too, so
that one process alone knows its workers while Redis is away, or came back empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel
from redis.asyncio import Redis

from dialer.adapters.redis_client import translated
from dialer.workers.presence import LiveWorker
from telephony.errors import Unavailable
from telephony.worker_contract import PRESENCE_EXPIRY, WorkerPresence

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds. Ids of workers that were not heard of for so long leave the index.
_INDEX_KEEPS = 3600


class _Kept(BaseModel):
    presence: WorkerPresence
    seen_at: datetime


class RedisPresence:
    """The port ``dialer.workers.presence.Presence``."""

    def __init__(self, redis: Redis, *, deployment: str, now: Callable[[], datetime]) -> None:
        self._redis: Any = redis  # its methods are typed in parts only
        self._index = f"telephony:{deployment}:workers"
        self._key = f"telephony:{deployment}:worker:"
        self._now = now
        self._own: dict[str, LiveWorker] = {}

    async def put(self, worker_id: str, presence: WorkerPresence) -> None:
        """Keep the worker's newest word."""
        seen_at = self._now()
        self._own[worker_id] = LiveWorker(worker_id, presence, seen_at)
        kept = _Kept(presence=presence, seen_at=seen_at).model_dump_json()
        try:
            async with translated(), self._redis.pipeline(transaction=False) as pipe:
                pipe.set(self._key + worker_id, kept, px=PRESENCE_EXPIRY)
                pipe.zadd(self._index, {worker_id: time.time()})
                pipe.zremrangebyscore(self._index, "-inf", time.time() - _INDEX_KEEPS)
                await pipe.execute()
        except Unavailable:
            log.warning("presence kept in this process only", worker_id=worker_id)

    async def live(self) -> list[LiveWorker]:
        """List the workers whose word has not expired.

        Errors: Unavailable when Redis cannot be asked and no worker reports to this process.
        """
        oldest = self._now() - PRESENCE_EXPIRY
        self._own = {id_: own for id_, own in self._own.items() if own.seen_at > oldest}
        try:
            found = await self._shared()
        except Unavailable:
            if not self._own:
                raise
            found = {}
        for worker_id, own in self._own.items():
            other = found.get(worker_id)
            if other is None or other.seen_at < own.seen_at:
                found[worker_id] = own
        return list(found.values())

    async def _shared(self) -> dict[str, LiveWorker]:
        async with translated():
            ids: Any = await self._redis.zrange(self._index, 0, -1)
            if not ids:
                return {}
            values = await self._redis.mget([self._key + worker_id for worker_id in ids])
        found: dict[str, LiveWorker] = {}
        for worker_id, value in zip(ids, values, strict=True):
            if value is not None:
                kept = _Kept.model_validate_json(value)
                found[worker_id] = LiveWorker(worker_id, kept.presence, kept.seen_at)
        return found
