"""Strangers at the bridge: what they send, what they hear, and what there is of them afterwards."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.kit.gateway import Gateway
from tests.kit.processes import processes
from tests.kit.rooms_left import rooms
from tests.kit.sip_caller import Knock, knocking

#: An address of this machine that no trunk knows.
STRANGE = "127.0.0.2"
#: Units: seconds. Long enough for an answer on loopback; silence is a good answer too.
_LISTENS = 0.1
_JOBS = re.compile(r"^telephony_worker_live_calls\S* (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Left:
    """What a stranger could leave: rooms, jobs, records of calls, a bridge that was restarted."""

    rooms: frozenset[str]
    jobs: float
    calls: int
    bridge: int


def left(running: dict[str, Any], gateway: Gateway, since: datetime) -> Left:
    """Look at what is there now; calls are those that came in since a moment."""
    metrics = gateway.http.get("/metrics")
    metrics.raise_for_status()
    params = {"created_from": since.isoformat(), "direction": "inbound"}
    return Left(
        frozenset(rooms(running)),
        sum(float(found) for found in _JOBS.findall(metrics.text)),
        len(gateway.http.get("/calls", params=params).json()["calls"]),
        processes(running)["livekit-sip"],
    )


@dataclass(frozen=True)
class Stranger:
    """Somebody who sends bytes to a bridge over UDP or TCP."""

    bridge: str
    transport: str

    @property
    def _target(self) -> tuple[str, int]:
        host, _, port = self.bridge.rpartition(":")
        return host, int(port)

    def socket(self) -> socket.socket:
        """Open a way of its own to the bridge."""
        kind = socket.SOCK_DGRAM if self.transport == "udp" else socket.SOCK_STREAM
        way = socket.socket(socket.AF_INET, kind)
        way.bind((STRANGE, 0))
        way.settimeout(_LISTENS)
        way.connect(self._target)
        return way

    def sends(self, way: socket.socket, message: bytes) -> list[str]:
        """Send bytes; gives the first lines of what came back, with whom each answers."""
        heard = b""
        try:
            way.sendall(message)
            while part := way.recv(65_536):
                heard += part
        except OSError:
            # Silence, or the door shut.
            pass
        return _answers(heard.decode(errors="replace"))

    def asks(self) -> int:
        """Ask whether the bridge is there; gives its answer's status."""
        port = self._target[1]
        if self.transport == "udp":
            with knocking(Knock(STRANGE, port, "ping"), "OPTIONS") as door:
                return door.answer().status
        with self.socket() as way:
            way.settimeout(20)
            local = way.getsockname()[1]
            request = Knock(STRANGE, port, "ping").request("OPTIONS", local)
            way.sendall(request.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP"))
            return int(way.recv(65_536).split(b" ", 2)[1])


def _answers(text: str) -> list[str]:
    found: list[str] = []
    for message in re.split(r"(?=^SIP/2\.0 )", text, flags=re.MULTILINE):
        if message.startswith("SIP/2.0 "):
            to = re.search(r"^CSeq: *\d+ +(.*?)\r?$", message, re.MULTILINE | re.IGNORECASE)
            found.append(f"{message.splitlines()[0]} ({to[1] if to else '?'})")
    return found
