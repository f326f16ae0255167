"""A far end that answers every request with what a test wants, over UDP or TCP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

Reply = Callable[[str], bytes]


@dataclass
class Answerer:
    """What it was asked, and where it is."""

    reply: Reply
    port: int = 0
    asked: list[str] = field(default_factory=list[str])

    def hear(self, packet: bytes) -> bytes:
        """Note a request and give the answer to it."""
        request = packet.decode()
        self.asked.append(request)
        return self.reply(request)


def header(request: str, name: str) -> str:
    """Give the value of a request's header."""
    lines = (line.partition(":") for line in request.split("\r\n"))
    return next((v.strip() for n, _, v in lines if n.lower() == name.lower()), "")


def answer(request: str, status: str, *more: str, body: str = "", via: str = "") -> bytes:
    """Answer a request as a carrier does; ``via`` is put behind the Via that came."""
    lines = [
        f"SIP/2.0 {status}",
        f"Via: {header(request, 'Via')}{via}",
        f"From: {header(request, 'From')}",
        f"To: {header(request, 'To')};tag=far",
        f"Call-ID: {header(request, 'Call-ID')}",
        f"CSeq: {header(request, 'CSeq')}",
        *more,
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def saying(status: str, *more: str, body: str = "", via: str = "") -> Reply:
    """Make a reply that is always the same."""
    return lambda request: answer(request, status, *more, body=body, via=via)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        told = self._answerer.hear(data)
        if told:
            self._transport.sendto(told, addr)


@asynccontextmanager
async def over_udp(reply: Reply) -> AsyncGenerator[Answerer]:
    """Listen on UDP until the block ends; an empty reply is silence."""
    answerer = Answerer(reply)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(answerer), local_addr=("127.0.0.1", 0)
    )
    answerer.port = transport.get_extra_info("sockname")[1]
    try:
        yield answerer
    finally:
        transport.close()


@asynccontextmanager
async def over_tcp(
    reply: Reply, tls: ssl.SSLContext | None = None, greeting: bytes = b""
) -> AsyncGenerator[Answerer]:
    """Listen on TCP, or TLS, until the block ends; an empty reply closes the connection.

    Shape: ``greeting`` is said before anything is asked.
    """
    answerer = Answerer(reply)
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        try:
            writer.write(greeting)
            while told := answerer.hear(await reader.readuntil(b"\r\n\r\n")):
                writer.write(told)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await closed(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    answerer.port = server.sockets[0].getsockname()[1]
    try:
        yield answerer
    finally:
        server.close()
        for task in filter(None, serving):
            task.cancel()
        await asyncio.gather(*filter(None, serving), return_exceptions=True)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and leave nothing of it behind."""
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()
