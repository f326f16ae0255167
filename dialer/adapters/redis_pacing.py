"""The trunks' pace, shared between the dialer's processes through Redis."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dialer.calls.pacing import RECOVERY, SAME_SIGN, Pace, RollingPacer, Slowness

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Takes a token, or gives the microseconds until one may be had; by Redis' own clock, so that
#: processes on hosts whose clocks differ count alike. A sorted set has the moments of the tokens,
#: each no earlier than those given before it; the arguments are the token's name, by how many
#: microseconds it may be had before its moment, and then the calls and microseconds of each window.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead, longest, moment = tonumber(ARGV[2]), 0, now
for i = 3, #ARGV, 2 do
  longest = math.max(longest, tonumber(ARGV[i + 1]))
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - longest)
-- Only a clock that was set back leaves any behind there.
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + longest, '+inf')
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if newest[2] then
  moment = math.max(moment, tonumber(newest[2]))
end
for i = 3, #ARGV, 2 do
  local nth = tonumber(ARGV[i]) - 1
  local given = redis.call('ZREVRANGE', KEYS[1], nth, nth, 'WITHSCORES')
  if given[2] then
    moment = math.max(moment, tonumber(given[2]) + tonumber(ARGV[i + 1]))
  end
end
if moment - now > ahead then
  return moment - now - ahead
end
redis.call('ZADD', KEYS[1], moment, ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil((moment - now + longest) / 1000) + 1000)
return now - moment
"""


class RedisPacer:
    """The port ``dialer.calls.pacing.Pacer``; while Redis is away, each process counts alone."""

    def __init__(self, redis: Redis, *, deployment: str) -> None:
        self._redis: Any = redis
        self._prefix = f"telephony:{deployment}:pace"
        self._script: Any = self._redis.register_script(_TAKE)
        self._alone = RollingPacer()
        #: By trunk: the newest token of this process.
        self._newest: dict[str, str] = {}

    async def take(self, trunk: str, pace: Pace, *, ahead: float = 0.0) -> float:
        """Take a token, or say how long to wait."""
        token = secrets.token_hex(8)
        try:
            slow = pace.of_share((await self._slowness(trunk)).share_at(time.time()))
            # Both windows, so that what left slowly still counts when the pace comes back.
            windows = [
                part
                for one in dict.fromkeys((pace, slow))
                for part in (one.calls, round(one.seconds * 1_000_000))
            ]
            given = [token, round(ahead * 1_000_000), *windows]
            wait = await self._script(keys=[self._tokens(trunk)], args=given)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("pacing in this process only", error=type(error).__name__)
            return await self._alone.take(trunk, pace, ahead=ahead)
        if wait > 0:
            return wait / 1_000_000
        self._newest[trunk] = token
        # Remembered here too, for the moment in which Redis goes away.
        await self._alone.take(trunk, pace, ahead=ahead)
        return wait / 1_000_000

    async def give_back(self, trunk: str) -> None:
        """Give back the newest token of this process: nothing left with it."""
        await self._alone.give_back(trunk)
        token = self._newest.pop(trunk, None)
        if token is None:
            return
        try:
            await self._redis.zrem(self._tokens(trunk), token)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("pacing token lost", error=type(error).__name__)

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

    def _tokens(self, trunk: str) -> str:
        return f"{self._prefix}:tokens:{trunk}"

    async def _slowness(self, trunk: str) -> Slowness:
        told = await self._redis.get(f"{self._prefix}:slow:{trunk}")
        return Slowness(*json.loads(told)) if told else Slowness()
