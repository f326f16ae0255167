"""Questions that tell whether a process is ready; each gives None, or what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import httpx

Probe = Callable[[], Awaitable[str | None]]
_TIMEOUT = 2.0


def http(url: str, *also: int) -> Probe:
    """Ask by HTTP: any 2xx is ready, and what is named besides."""
    return partial(_http, url, also)


def redis(host: str, port: int) -> Probe:
    """Ask by PING."""
    return partial(_redis, host, port)


async def nothing_to_ask() -> str | None:
    """Take a process without a port as ready for as long as it runs."""
    return None


async def _http(url: str, also: tuple[int, ...]) -> str | None:
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, verify=False) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    ready = answer.is_success or answer.status_code in also
    return None if ready else f"status {answer.status_code}: {answer.text[:300]}"


async def _redis(host: str, port: int) -> str | None:
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"PING\r\n")
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return f"no answer ({type(error).__name__})"
    return None if line.startswith(b"+PONG") else f"answered {line!r}"
