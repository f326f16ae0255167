"""The trunk's pace, shared between the dialer's processes through Redis."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dialer.calls.pacing import RECOVERY, SAME_SIGN, Pace, RollingPacer, Slowness

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds. The shortest wait between two looks at a window that is full.
_LEAST_WAIT = 0.01


class RedisPacer:
    """The port ``dialer.calls.pacing.Pacer``; while Redis is away, each process counts alone."""

    def __init__(self, redis: Redis, *, url: str, deployment: str) -> None:
        self._redis: Any = redis
        self._prefix = f"telephony:{deployment}:pace"
        pool: Any = redis.connection_pool
        storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",
            key_prefix=self._prefix,
            connection_pool=pool,
        )
        self._window: Any = MovingWindowRateLimiter(storage)
        self._alone = RollingPacer()

    async def take(self, trunk: str, pace: Pace) -> float:
        """Take a token, or say how long to wait."""
        try:
            slow = pace.of_share((await self._slowness(trunk)).share_at(time.time()))
            # The slow window first: a token of the other one must not be lost to it. Both, so that
            # what left slowly still counts when the pace comes back.
            for one in dict.fromkeys((slow, pace)):
                # Windows are whole seconds there: a longer one is on the safe side.
                item = RateLimitItemPerSecond(one.calls, math.ceil(one.seconds))
                if not await self._window.hit(item, trunk):
                    stats = await self._window.get_window_stats(item, trunk)
                    return max(_LEAST_WAIT, stats.reset_time - time.time())
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("pacing in this process only", error=type(error).__name__)
            return await self._alone.take(trunk, pace)
        # Remembered here too, for the moment in which Redis goes away.
        await self._alone.take(trunk, pace)
        return 0.0

    async def slow_down(self, trunk: str) -> None:
        """Halve the trunk's pace for a while, in every process."""
        await self._alone.slow_down(trunk)
        try:
            if await self._redis.set(
                f"{self._prefix}:sign:{trunk}", "", px=round(SAME_SIGN * 1000), nx=True
            ):
                slow = (await self._slowness(trunk)).slower(time.time())
                await self._redis.set(
                    f"{self._prefix}:slow:{trunk}",
                    json.dumps([slow.share, slow.since]),
                    ex=round(8 * RECOVERY),
                )
                log.warning("the carrier wants fewer calls", trunk=trunk, share=slow.share)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("slower in this process only", error=type(error).__name__)

    async def _slowness(self, trunk: str) -> Slowness:
        told = await self._redis.get(f"{self._prefix}:slow:{trunk}")
        return Slowness(*json.loads(told)) if told else Slowness()
