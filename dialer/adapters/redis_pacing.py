"""The trunk's pace, shared between the dialer's processes through Redis."""

from __future__ import annotations

import math
import time
from typing import Any

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dialer.calls.pacing import Pace, RollingPacer

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds. The shortest wait between two looks at a window that is full.
_LEAST_WAIT = 0.01


class RedisPacer:
    """The port ``dialer.calls.pacing.Pacer``; while Redis is away, each process counts alone."""

    def __init__(self, redis: Redis, *, url: str, deployment: str) -> None:
        pool: Any = redis.connection_pool
        storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",
            key_prefix=f"telephony:{deployment}:pace",
            connection_pool=pool,
        )
        self._window: Any = MovingWindowRateLimiter(storage)
        self._alone = RollingPacer()

    async def take(self, trunk: str, pace: Pace) -> float:
        """Take a token, or say how long to wait."""
        # Windows are whole seconds there: a longer one is on the safe side.
        item = RateLimitItemPerSecond(pace.calls, math.ceil(pace.seconds))
        try:
            if await self._window.hit(item, trunk):
                # Remembered here too, for the moment in which Redis goes away.
                await self._alone.take(trunk, pace)
                return 0.0
            stats = await self._window.get_window_stats(item, trunk)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("pacing in this process only", error=type(error).__name__)
            return await self._alone.take(trunk, pace)
        return max(_LEAST_WAIT, stats.reset_time - time.time())
