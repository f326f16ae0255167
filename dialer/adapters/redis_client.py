"""One client of Redis, and what its errors mean to us."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from telephony.errors import Unavailable


def connect(url: str) -> Redis:
    """Make a client; it connects at its first use."""
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        url, socket_timeout=2.0, socket_connect_timeout=1.0, decode_responses=True
    )


@asynccontextmanager
async def translated() -> AsyncGenerator[None]:
    """Turn what the client raises into what the ports promise.

    Errors: Unavailable.
    """
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("redis_unavailable", "Redis cannot be reached.") from error
