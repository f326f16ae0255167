"""A carrier that refuses every INVITE over UDP, with the words that it is given."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: Units: seconds. No nearer than a real one; see docs/sandbox-carrier.md.
_AWAY = 0.05
_COPIED = ("via", "from", "call-id", "cseq")


@dataclass
class RefusingCarrier:
    """What it was asked.

    Shape: ``invites`` are the Call-IDs of the INVITEs, those that came again left out.
    """

    address: str
    invites: list[str] = field(default_factory=list[str])
    attempts: list[str] = field(default_factory=list[str])

    def heard(self, request: str) -> bool:
        """Note a request; False where it is none to answer."""
        if not request.startswith("INVITE "):
            return False
        headers = dict(_headers(request))
        if headers["call-id"] not in self.invites:
            self.invites.append(headers["call-id"])
            self.attempts.append(headers.get("x-attempt-id", ""))
        return True


@contextmanager
def refusing_carrier(status: str) -> Generator[RefusingCarrier]:
    """Run one until the block ends; ``status`` is like ``503 Service Unavailable``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.2)
        carrier = RefusingCarrier(f"127.0.0.1:{listening.getsockname()[1]}")
        over = threading.Event()
        answering = threading.Thread(target=_answer, args=(listening, carrier, status, over))
        answering.start()
        try:
            yield carrier
        finally:
            over.set()
            answering.join()


def _answer(
    listening: socket.socket, carrier: RefusingCarrier, status: str, over: threading.Event
) -> None:
    while not over.is_set():
        try:
            packet, sender = listening.recvfrom(65_535)
        except TimeoutError:
            continue
        request = packet.decode("utf-8", "replace")
        if carrier.heard(request):
            listening.sendto(_response(request, "100 Trying"), sender)
            time.sleep(_AWAY)
            listening.sendto(_response(request, status), sender)


def _response(request: str, status: str) -> bytes:
    lines = [f"SIP/2.0 {status}"]
    for name, value in _headers(request):
        if name in _COPIED:
            lines.append(f"{name}: {value}")
        elif name == "to":
            lines.append(f"To: {value};tag=refusing")
    return ("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode()


def _headers(request: str) -> list[tuple[str, str]]:
    head = request.partition("\r\n\r\n")[0].split("\r\n")[1:]
    parted = [line.partition(":") for line in head]
    return [(name.strip().lower(), value.strip()) for name, _, value in parted]
