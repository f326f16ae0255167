"""Which port each part listens on."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: In this order from the base on; documented in docs/sandbox.md.
ORDER: Final = (
    "api",
    "livekit",
    "livekit-tcp",
    "redis",
    "sip",
    "sip-health",
    "sip-metrics",
    "carrier",
    "carrier-control",
    "speech",
    "worker",
    "worker-2",
    "claim",
    "api-2",
    "livekit-2",
    "livekit-tcp-2",
    "sip-2",
    "sip-health-2",
    "sip-metrics-2",
    "sip-tls",
    "sip-tls-2",
    "carrier-tls",
    "redis-fallback",
    "livekit-fallback",
    "livekit-tcp-fallback",
    "sip-fallback",
    "sip-health-fallback",
    "sip-metrics-fallback",
    "worker-fallback",
)
_SIP_RTP: Final = (30, 290)
_CARRIER_RTP: Final = (320, 300)
_MEDIA: Final = (620, 600)
SIZE: Final = 1220
#: Where media flows while calls are up, counted from the base.
MEDIA_PORTS: Final = range(_SIP_RTP[0], SIZE)
#: Below the range that Linux gives to outgoing connections.
_BLOCKS: Final = range(10_000, 32_000 - SIZE, 1_300)
_LOOPBACK: Final = "127.0.0.1"


class PortsTaken(Exception):
    """No free block of ports, or one of the asked block is taken."""


@dataclass
class Ports:
    """A block of ports, claimed for as long as the claim is open.

    Shape: ``via`` names parts that the others reach by another address, a proxy's.
    """

    base: int
    claim: socket.socket
    via: Mapping[str, str] = field(default_factory=dict[str, str])

    def __getitem__(self, name: str) -> int:
        return self.base + ORDER.index(name)

    def address(self, name: str) -> str:
        """Give host and port of a part."""
        return f"{_LOOPBACK}:{self[name]}"

    def reach(self, name: str) -> str:
        """Give host and port under which the other parts reach a part."""
        return self.via.get(name) or self.address(name)

    @property
    def sip_rtp(self) -> tuple[int, int]:
        """Give first and last port of the bridge's RTP."""
        return self._span(_SIP_RTP)

    @property
    def carrier_rtp(self) -> tuple[int, int]:
        """Give first and last port of the simulated phones' RTP."""
        return self._span(_CARRIER_RTP)

    @property
    def media(self) -> tuple[int, int]:
        """Give first and last port of livekit-server's WebRTC."""
        return self._span(_MEDIA)

    def release(self) -> None:
        """Let others have the block."""
        self.claim.close()

    def _span(self, span: tuple[int, int]) -> tuple[int, int]:
        first, count = span
        return self.base + first, self.base + first + count - 1


def claim(base: int | None, *, via: Mapping[str, str] | None = None) -> Ports:
    """Claim the block at ``base``, or any free one.

    Errors: PortsTaken with a sentence that names the port.
    """
    if base is not None:
        return _claim_block(base, via or {})
    for candidate in random.sample(_BLOCKS, len(_BLOCKS)):
        try:
            return _claim_block(candidate, via or {})
        except PortsTaken:
            continue
    raise PortsTaken(f"no {SIZE} free ports in a row between {_BLOCKS[0]} and 32000")


def _claim_block(base: int, via: Mapping[str, str]) -> Ports:
    if not 1 <= base <= 65_535 - SIZE:
        raise PortsTaken(f"--port-base {base} leaves no room for {SIZE} ports below 65536")
    holder = _held(base + ORDER.index("claim"))
    try:
        for offset in range(SIZE):
            if offset != ORDER.index("claim"):
                _check(base + offset, tcp=offset < len(ORDER))
    except PortsTaken:
        holder.close()
        raise
    return Ports(base, holder, via)


def _held(port: int) -> socket.socket:
    # Listening, not only bound: two sandboxes that start at once must not both get the block.
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((_LOOPBACK, port))
        holder.listen(1)
    except OSError as error:
        holder.close()
        raise _taken(port, error) from error
    return holder


def _check(port: int, *, tcp: bool) -> None:
    if tcp:
        _held(port).close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as error:
            raise _taken(port, error) from error


def _taken(port: int, error: OSError) -> PortsTaken:
    if error.errno == errno.EADDRINUSE:
        return PortsTaken(f"port {port} is taken by another program")
    return PortsTaken(f"port {port} cannot be used: {error.strerror}")
