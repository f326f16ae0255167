"""Ask for SRV records, which no library here does; a name server's answer is not trusted.

Source: RFC 1035 sections 4.1 and 4.2.1, RFC 2782.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SRV = 33
_INTERNET = 1
#: Units: seconds.
_PATIENCE = 3.0
_MOST_RECORDS = 50
_RESOLV_CONF = Path("/etc/resolv.conf")


class NoAnswer(Exception):
    """The name server did not answer, or not in a way that can be read."""


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """Where a service is, the lowest priority first."""

    priority: int
    weight: int
    port: int
    target: str


async def services(name: str, server: tuple[str, int] | None = None) -> list[Service]:
    """List the SRV records of a name, as ``_sip._udp.example.com``. Errors: NoAnswer."""
    query = _query(name)
    try:
        async with asyncio.timeout(_PATIENCE):
            return sorted(_records(await _exchange(query, server or _name_server()), query[:2]))
    except (OSError, TimeoutError) as error:
        raise NoAnswer("the name server does not answer") from error
    except (struct.error, IndexError, ValueError) as error:
        raise NoAnswer("the name server's answer cannot be read") from error


def _name_server() -> tuple[str, int]:
    with suppress(OSError, UnicodeDecodeError):
        told = re.search(r"(?m)^nameserver\s+(\S+)", _RESOLV_CONF.read_text())
        if told:
            return told[1], 53
    return "127.0.0.1", 53


def _query(name: str) -> bytes:
    labels = name.rstrip(".").encode("idna").split(b".")
    asked = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    head = struct.pack("!2sHHHHH", secrets.token_bytes(2), 0x0100, 1, 0, 0, 0)
    return head + asked + struct.pack("!HH", _SRV, _INTERNET)


async def _exchange(query: bytes, server: tuple[str, int]) -> bytes:
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Listening(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            # Whoever guesses is not heard: the first two bytes are ours.
            if data[:2] == query[:2] and not answered.done():
                answered.set_result(data)

        def error_received(self, exc: Exception) -> None:
            if not answered.done():
                answered.set_exception(exc)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Listening, remote_addr=server
    )
    try:
        transport.sendto(query)
        return await answered
    finally:
        transport.close()


def _records(answer: bytes, identity: bytes) -> list[Service]:
    told, _, questions, answers = struct.unpack_from("!2sHHH", answer)
    if told != identity:
        raise ValueError("another question's answer")
    at = 12
    for _ in range(min(questions, _MOST_RECORDS)):
        at = _name(answer, at)[1] + 4
    found: list[Service] = []
    for _ in range(min(answers, _MOST_RECORDS)):
        at = _name(answer, at)[1]
        kind, _, _, length = struct.unpack_from("!HHIH", answer, at)
        at += 10
        if kind == _SRV:
            priority, weight, port = struct.unpack_from("!HHH", answer, at)
            found.append(Service(priority, weight, port, _name(answer, at + 6)[0]))
        at += length
    return found


def _name(answer: bytes, at: int) -> tuple[str, int]:
    """Read a name; gives it, and where what follows it begins."""
    labels: list[str] = []
    after = 0
    # A pointer may lead in a circle: no name has more parts than this.
    for _ in range(128):
        length = answer[at]
        if length >= 0xC0:
            after = after or at + 2
            at = struct.unpack_from("!H", answer, at)[0] & 0x3FFF
        elif length == 0:
            return ".".join(labels), after or at + 1
        else:
            labels.append(answer[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
    raise ValueError("a name without an end")
