"""A TCP proxy on loopback that misbehaves when told to: it stalls, resets, falls silent, lags."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Address = tuple[str, int]
#: A server on a socket of this machine is reached over TCP all the same.
Upstream = Address | Path
#: ``stall``: replies stop, requests still arrive. ``half_open``: nothing passes, and nobody is
#: told. ``reset``: the connection is reset before the request passes. ``lag``: all is late.
Kind = Literal["stall", "half_open", "reset", "lag"]


@dataclass(eq=False)
class Fault:
    """What is done to a connection from the moment on in which its client says ``match``.

    Shape: an empty ``match`` catches every connection at once, those that exist included.
    ``met`` counts the connections that were caught. Units: ``seconds`` of lag, varied by half.
    """

    kind: Kind
    match: bytes = b""
    seconds: float = 0.0
    met: int = 0


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    caught: set[Fault] = field(default_factory=set[Fault])


class TcpProxy:
    """One listening port in front of one server; safe to use from any thread."""

    def __init__(self, upstream: Callable[[], Upstream], *, seed: int = 0) -> None:
        self._upstream = upstream
        self._random = random.Random(seed)
        self._faults: tuple[Fault, ...] = ()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._run, name="tcp-proxy", daemon=True)

    @property
    def address(self) -> str:
        """Give host and port that clients use."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @contextmanager
    def fault(self, kind: Kind, match: bytes = b"", *, seconds: float = 0.0) -> Generator[Fault]:
        """Misbehave until the block ends; what was held back is let go then."""
        fault = Fault(kind, match, seconds)
        self._faults = (*self._faults, fault)
        try:
            yield fault
        finally:
            self._faults = tuple(other for other in self._faults if other is not fault)

    def __enter__(self) -> TcpProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, sock=self._listener)
        )
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            upstream, server = await _connect(self._upstream())
        except OSError:
            _reset(client)
            return
        both = _Connection(client, server)
        pumps = [
            asyncio.create_task(self._up(both, reader)),
            asyncio.create_task(self._down(both, upstream)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in (client, server):
                writer.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await writer.wait_closed()

    async def _up(self, both: _Connection, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65536):
            self._catch(both, chunk)
            if self._active(both, "reset"):
                _reset(both.client)
                return
            await self._lag(both)
            await self._while(both, "half_open")
            both.server.write(chunk)
            await both.server.drain()

    async def _down(self, both: _Connection, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65536):
            await self._lag(both)
            await self._while(both, "stall", "half_open")
            if self._active(both, "reset"):
                _reset(both.client)
                return
            both.client.write(chunk)
            await both.client.drain()

    def _catch(self, both: _Connection, chunk: bytes) -> None:
        for fault in self._faults:
            if fault.match and fault.match in chunk and fault not in both.caught:
                both.caught.add(fault)
                fault.met += 1

    def _active(self, both: _Connection, *kinds: Kind) -> list[Fault]:
        faults = [fault for fault in self._faults if fault.kind in kinds]
        return [fault for fault in faults if not fault.match or fault in both.caught]

    async def _while(self, both: _Connection, *kinds: Kind) -> None:
        while self._active(both, *kinds):  # noqa: ASYNC110 - faults end in another thread
            await asyncio.sleep(0.02)

    async def _lag(self, both: _Connection) -> None:
        for fault in self._active(both, "lag"):
            await asyncio.sleep(fault.seconds * self._random.uniform(0.5, 1.5))


async def _connect(upstream: Upstream) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(upstream, Path):
        return await asyncio.open_unix_connection(upstream)
    return await asyncio.open_connection(*upstream)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
