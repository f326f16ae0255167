"""A load for POST /calls that costs less than what it measures: ``python -m bench.load_generator``.

Prints one JSON object. Shape: ``cpu_share`` tells how busy the generator itself was; near 1 it,
and not the server, is what was measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import secrets
import time
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import uvloop

_BODY: Final = b'{"call_type":"sip","phone_number":"+14155550151","metadata":{"order":"4711"}}'


@dataclass
class Tally:
    """What was answered."""

    until: float
    latencies: list[float] = field(default_factory=list[float])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    keys: int = field(default_factory=lambda: secrets.randbits(40) << 24)

    def next_key(self) -> int:
        """Give an Idempotency-Key that was not used before, as a number."""
        self.keys += 1
        return self.keys


class Client(asyncio.Protocol):
    """One connection with one request in flight at any time."""

    def __init__(
        self, request: tuple[bytes, bytes], tally: Tally, done: asyncio.Future[None]
    ) -> None:
        self._request = request
        self._tally = tally
        self._done = done
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Note the answer and send the next request."""
        now = time.perf_counter()
        self._tally.latencies.append(now - self._sent)
        status = self._parser.get_status_code()
        self._tally.statuses[status] = self._tally.statuses.get(status, 0) + 1
        if now < self._tally.until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that this connection is over."""
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._sent = time.perf_counter()
        # Every request is another one: what was answered before would be answered from memory.
        before, after = self._request
        self._transport.write(b"%b%016x%b" % (before, self._tally.next_key(), after))


async def load(url: str, key: str, in_flight: int, seconds: float) -> dict[str, object]:
    """Keep so many requests in flight for so long."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    request = _request(f"{host}:{port}", parts.path, key)
    loop = asyncio.get_running_loop()
    began, cpu = time.perf_counter(), _cpu()
    tally = Tally(began + seconds)
    ends = [loop.create_future() for _ in range(in_flight)]
    for end in ends:
        await loop.create_connection(lambda end=end: Client(request, tally, end), host, port)
    await asyncio.gather(*ends)
    took = time.perf_counter() - began
    return {
        "requests": len(tally.latencies),
        "seconds": took,
        "per_second": len(tally.latencies) / took,
        "p50_ms": _quantile(tally.latencies, 0.5),
        "p95_ms": _quantile(tally.latencies, 0.95),
        "most_ms": _quantile(tally.latencies, 1.0),
        "within_100_ms": sum(taken <= 0.1 for taken in tally.latencies)
        / max(1, len(tally.latencies)),
        "statuses": tally.statuses,
        "cpu_share": (_cpu() - cpu) / took,
    }


def _request(host: str, path: str, key: str) -> tuple[bytes, bytes]:
    """Give what comes before and behind the Idempotency-Key."""
    before = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\nIdempotency-Key: "
    )
    return before.encode(), b"\r\n\r\n" + _BODY


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return 1000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run once and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.load_generator")
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("in_flight", type=int)
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    work = load(asked.url, asked.key, asked.in_flight, asked.seconds)
    print(json.dumps(uvloop.run(work)))


if __name__ == "__main__":
    main()
