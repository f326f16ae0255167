"""Send an OPTIONS request over UDP, TCP or TLS and wait for its answer, for a bounded time.

Units: seconds.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from trunks.doctor import sip
from trunks.doctor.sip import Answer, NotSip, Request

#: T1 of RFC 3261 and its doublings: a request over UDP is sent again.
_REPEATS = (0.5, 1.0, 2.0)
PATIENCE = 5.0
#: Messages of somebody else, or provisional ones, that are read before the answer is given up.
_MOST_MESSAGES = 50


class Unanswered(Exception):
    """Nobody answered; ``cause`` is a name of ``EXPLANATIONS``."""

    def __init__(self, said: str, *, cause: str = "no_answer") -> None:
        super().__init__(said)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Way:
    """How a far end is reached."""

    host: str
    port: int
    transport: str
    tls: ssl.SSLContext | None = None


class Line(Protocol):
    """A connection that is open."""

    @property
    def local(self) -> tuple[str, int]:
        """Give our own address."""
        ...

    async def ask(self, request: Request) -> Answer:
        """Send a request and give its final answer. Errors: Unanswered, NotSip, TimeoutError."""
        ...


async def ask(
    way: Way, user: str, credentials: Callable[[Answer, Request], str] | None = None
) -> tuple[Answer, tuple[str, int], bool]:
    """Ask for OPTIONS; gives the answer, our own address, and whether credentials were asked for.

    Shape: ``credentials`` answers a challenge, once. Errors: Unanswered, NotSip.
    """
    try:
        async with asyncio.timeout(2 * PATIENCE), opened(way) as line:
            answer, request = await _first(way, line, user)
            challenged = answer.status in (401, 407)
            if challenged and credentials is not None:
                answer = await line.ask(request.again(credentials(answer, request)))
            return answer, line.local, challenged
    except TimeoutError:
        raise Unanswered("no answer") from None
    except OSError as error:
        raise _unanswered(error) from None


def wants_certificate(error: Exception) -> bool:
    """Tell whether the far end goes away for want of a certificate of ours.

    Shape: with TLS 1.3 it says so once the handshake is over on our side.
    """
    return "certificate required" in str(error).lower().replace("_", " ")


def _unanswered(error: OSError) -> Unanswered:
    if wants_certificate(error):
        return Unanswered("it wants a certificate of ours", cause="client_certificate")
    # Of a name with several addresses only the text tells what each of them said.
    number = f"[Errno {errno.ECONNREFUSED}]"
    if isinstance(error, ConnectionRefusedError) or number in str(error):
        return Unanswered("connection refused", cause="nobody_listens")
    return Unanswered(error.strerror or type(error).__name__)


async def _first(way: Way, line: Line, user: str) -> tuple[Answer, Request]:
    host = f"[{way.host}]" if ":" in way.host else way.host
    own, port = line.local
    local = f"[{own}]:{port}" if ":" in own else f"{own}:{port}"
    request = Request(f"sip:{host}:{way.port}", way.transport, local, user)
    return await line.ask(request), request


@asynccontextmanager
async def opened(way: Way) -> AsyncGenerator[Line]:
    """Open a connection until the block ends. Errors: OSError, TimeoutError."""
    if way.transport == "udp":
        transport, heard = await asyncio.get_running_loop().create_datagram_endpoint(
            _Heard, remote_addr=(way.host, way.port)
        )
        try:
            yield _Datagrams(transport, heard)
        finally:
            transport.close()
        return
    async with asyncio.timeout(PATIENCE):
        name = way.host if way.tls is not None else None
        reader, writer = await asyncio.open_connection(
            way.host, way.port, ssl=way.tls, server_hostname=name, limit=sip.MOST
        )
    try:
        yield _Stream(reader, writer)
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


class _Heard(asyncio.DatagramProtocol):
    """Keeps what comes in; what is too much is dropped."""

    def __init__(self) -> None:
        self.packets: asyncio.Queue[bytes | Exception] = asyncio.Queue(_MOST_MESSAGES)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._keep(data)

    def error_received(self, exc: Exception) -> None:
        self._keep(exc)

    def _keep(self, one: bytes | Exception) -> None:
        with suppress(asyncio.QueueFull):
            self.packets.put_nowait(one)


class _Datagrams:
    """The port ``Line`` over UDP."""

    def __init__(self, transport: asyncio.DatagramTransport, heard: _Heard) -> None:
        self._transport = transport
        self._heard = heard

    @property
    def local(self) -> tuple[str, int]:
        """Give our own address."""
        host, port, *_ = self._transport.get_extra_info("sockname")
        return str(host), int(port)

    async def ask(self, request: Request) -> Answer:
        """Send a request, again and again, and give its final answer."""
        for pause in (*_REPEATS, PATIENCE - sum(_REPEATS)):
            self._transport.sendto(request.text())
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    return await self._answer(request)
        raise TimeoutError

    async def _answer(self, request: Request) -> Answer:
        for _ in range(_MOST_MESSAGES):
            packet = await self._heard.packets.get()
            if isinstance(packet, Exception):
                raise packet
            answer = sip.read(packet)
            if request.is_answered_by(answer):
                return answer
        raise NotSip("many answers came, and none to our question")


class _Stream:
    """The port ``Line`` over TCP and TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def local(self) -> tuple[str, int]:
        """Give our own address."""
        host, port, *_ = self._writer.get_extra_info("sockname")
        return str(host), int(port)

    async def ask(self, request: Request) -> Answer:
        """Send a request and give its final answer."""
        self._writer.write(request.text())
        await self._writer.drain()
        async with asyncio.timeout(PATIENCE):
            for _ in range(_MOST_MESSAGES):
                answer = await self._message()
                if request.is_answered_by(answer):
                    return answer
        raise NotSip("many answers came, and none to our question")

    async def _message(self) -> Answer:
        try:
            head = b""
            # An empty line before a message keeps a connection alive (RFC 5626).
            while not head.strip():
                head = await self._reader.readuntil(b"\r\n\r\n")
            body = await self._reader.readexactly(sip.content_length(head))
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise Unanswered("the connection was closed without an answer") from None
            raise NotSip("the answer breaks off") from None
        except asyncio.LimitOverrunError:
            raise NotSip("the answer is far too long") from None
        return sip.read(head.lstrip(b"\r\n") + body)
