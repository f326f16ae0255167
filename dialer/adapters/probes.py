"""Ask Redis and LiveKit the questions that ``dialer doctor`` answers."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from livekit import api
from redis import asyncio as redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

_PATIENCE = timedelta(seconds=4)
#: Where livekit-server keeps its rooms in Redis.
_ROOMS = "rooms"
_REFUSED = ("unauthenticated", "permission_denied")


class Trouble(Exception):
    """Something is wrong; the text says what, and what to do about it."""


async def redis_answers(url: str) -> str:
    """Give the version of the Redis.

    Errors: Trouble, one text for each way in which it can fail.
    """
    seconds = _PATIENCE.total_seconds()
    client: Any = redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds)  # pyright: ignore[reportUnknownMemberType]
    try:
        info = await client.info("server")
        return str(info["redis_version"])
    except (AuthenticationError, ResponseError) as error:
        raise Trouble(_refusal(error, url)) from error
    except (RedisError, OSError, ValueError) as error:
        raise Trouble(
            f"cannot be reached ({_short(error)}): is it running, and is TLS right?"
        ) from error
    finally:
        await client.aclose()


def _refusal(error: RedisError, url: str) -> str:
    # The client takes the code off, and the text differs with the protocol that it speaks.
    if isinstance(error, AuthenticationError):
        if urlsplit(url).password is None:
            return "it wants a password: put one into REDIS_URL"
        return "it refuses our password: check the one in REDIS_URL"
    return f"refuses us ({_short(error)}): check REDIS_URL"


async def livekit_answers(url: str, key: str, secret: str) -> int:
    """Give the number of rooms.

    Errors: Trouble.
    """
    async with _session() as session:
        livekit = api.LiveKitAPI(url, key, secret, session=session, failover=False)
        try:
            listed = await livekit.room.list_rooms(api.ListRoomsRequest())
            return len(listed.rooms)
        except api.ServerError as error:
            # A token that it cannot verify gets a plain 401, which is no error of its protocol.
            if error.status in (401, 403) or error.code in _REFUSED:
                raise Trouble(
                    "it refuses our token: check both LIVEKIT_API_KEY and LIVEKIT_API_SECRET, and "
                    "that this machine's clock is right"
                ) from error
            raise Trouble(f"answered {error.code}") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Trouble(f"cannot be reached ({_short(error)}): check LIVEKIT_URL") from error


async def clock_skew(url: str, *, clock: Callable[[], float] = time.time) -> float | None:
    """Give by how much our clock is ahead of LiveKit's, or None where its answer has no date.

    Units: seconds; the date is whole seconds, so one of them means nothing.
    """
    http = "http" + url.removeprefix("ws") if url.startswith("ws") else url
    try:
        async with _session() as session, session.get(http) as answer:
            told = parsedate_to_datetime(answer.headers["Date"])
    except (aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError):
        return None
    return clock() - told.timestamp()


async def same_redis(redis_url: str, url: str, key: str, secret: str, *, prefix: str) -> bool:
    """Make a room and look whether our Redis holds it, which it does if LiveKit uses that Redis.

    Errors: whatever the clients raise; ask the two functions above first.
    """
    name = f"{prefix}-doctor-{secrets.token_hex(8)}"
    client: Any = redis.Redis.from_url(redis_url, socket_timeout=_PATIENCE.total_seconds())  # pyright: ignore[reportUnknownMemberType]
    async with _session() as session:
        livekit = api.LiveKitAPI(url, key, secret, session=session, failover=False)
        try:
            await livekit.room.create_room(api.CreateRoomRequest(name=name, empty_timeout=5))
            return bool(await client.hexists(_ROOMS, name))
        finally:
            await livekit.room.delete_room(api.DeleteRoomRequest(room=name))
            await client.aclose()


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE.total_seconds()))


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__
