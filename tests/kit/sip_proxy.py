"""A UDP proxy between the SIP bridge and the carrier that loses, doubles, reorders and delays.

It looks no deeper than a start line, a CSeq and the Contact, which it puts its own address into so
that requests inside a dialog pass it too.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Address = tuple[str, int]
Towards = Literal["carrier", "bridge"]
Kind = Literal["drop", "duplicate", "reorder"]

_CONTACT = re.compile(rb"^(?:Contact|m)\s*:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_CSEQ = re.compile(rb"^CSeq\s*:\s*\d+\s+(\w+)", re.IGNORECASE | re.MULTILINE)
#: Units: seconds. A message that waits to be overtaken goes on after this in any case.
_LONGEST_WAIT = 0.3


@dataclass(eq=False)
class Loss:
    """What is done to which messages.

    Shape: ``what`` is a method ("BYE": its requests) or a status ("200 INVITE": that response to
    that method); empty is every message. ``share`` is the part of them that it happens to, by the
    proxy's seed; ``first`` bounds how many, None does not. ``met`` counts them.
    """

    kind: Kind
    what: str
    towards: Towards | None
    share: float
    first: int | None
    met: int = 0


class _Side(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a message."""
        self._received(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Leave it: the other side is being restarted."""


class SipProxy:
    """Two sockets: the carrier as the bridge knows it, and the bridge as the carrier knows it."""

    def __init__(
        self, *, bridge: Callable[[], Address], carrier: Callable[[], Address], seed: int = 0
    ) -> None:
        self._bridge = bridge
        self._carrier = carrier
        self._random = random.Random(seed)
        self._losses: tuple[Loss, ...] = ()
        self._waiting: dict[Towards, list[bytes]] = {"carrier": [], "bridge": []}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="sip-proxy", daemon=True)
        self._up = threading.Event()
        self._front: asyncio.DatagramTransport | None = None
        self._back: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> str:
        """Give host and port that the bridge takes for the carrier's."""
        host, port = self._of(self._front)
        return f"{host}:{port}"

    @contextmanager
    def loss(
        self,
        kind: Kind,
        what: str = "",
        *,
        towards: Towards | None = None,
        share: float = 1.0,
        first: int | None = None,
    ) -> Generator[Loss]:
        """Misbehave until the block ends."""
        loss = Loss(kind, what, towards, share, first)
        self._losses = (*self._losses, loss)
        try:
            yield loss
        finally:
            self._losses = tuple(other for other in self._losses if other is not loss)

    def __enter__(self) -> SipProxy:
        self._thread.start()
        assert self._up.wait(10), "the SIP proxy did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._front = self._loop.run_until_complete(self._open("carrier"))
        self._back = self._loop.run_until_complete(self._open("bridge"))
        self._up.set()
        self._loop.run_forever()
        for side in (self._front, self._back):
            side.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _open(self, towards: Towards) -> asyncio.DatagramTransport:
        def take(data: bytes, _: Address) -> None:
            self._take(data, towards)

        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Side(take), local_addr=("127.0.0.1", 0)
        )
        return transport

    def _take(self, data: bytes, towards: Towards) -> None:
        kinds = {loss.kind for loss in self._losses if self._meets(loss, data, towards)}
        if "drop" in kinds:
            return
        if "reorder" in kinds:
            self._waiting[towards].append(data)
            self._loop.call_later(_LONGEST_WAIT, self._let_go, towards, data)
            return
        for _ in range(2 if "duplicate" in kinds else 1):
            self._send(data, towards)
        while self._waiting[towards]:
            self._let_go(towards, self._waiting[towards][0])

    def _let_go(self, towards: Towards, data: bytes) -> None:
        if data in self._waiting[towards]:
            self._waiting[towards].remove(data)
            self._send(data, towards)

    def _meets(self, loss: Loss, data: bytes, towards: Towards) -> bool:
        if loss.towards not in (None, towards) or (loss.what and loss.what != what_of(data)):
            return False
        if loss.first is not None and loss.met >= loss.first:
            return False
        if self._random.random() >= loss.share:
            return False
        loss.met += 1
        return True

    def _send(self, data: bytes, towards: Towards) -> None:
        # What goes to one side leaves from the socket which that side knows.
        if towards == "carrier":
            side, to, known, own = self._back, self._carrier(), self._bridge(), self._of(self._back)
        else:
            side, to, known = self._front, self._bridge(), self._carrier()
            own = self._of(self._front)
        assert side is not None
        side.sendto(_contact_moved(data, known, own), to)

    @staticmethod
    def _of(side: asyncio.DatagramTransport | None) -> Address:
        assert side is not None
        return side.get_extra_info("sockname")


def what_of(data: bytes) -> str:
    """Name a message: "BYE" for a request, "200 BYE" for the response to one."""
    start = data.split(b"\r\n", 1)[0].split(b" ")
    if start[0].startswith(b"SIP/") and len(start) > 1:
        found = _CSEQ.search(data)
        return f"{start[1].decode()} {found.group(1).decode() if found else ''}".strip()
    return start[0].decode(errors="replace")


def _contact_moved(data: bytes, known: Address, own: Address) -> bytes:
    def moved(found: re.Match[bytes]) -> bytes:
        return found.group(0).replace(
            f"{known[0]}:{known[1]}".encode(), f"{own[0]}:{own[1]}".encode()
        )

    return _CONTACT.sub(moved, data)
