"""Where carriers send calls, taken out of the SIP URIs of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunks.desired import Delivery, Trunk


@dataclass(frozen=True, slots=True)
class Destination:
    """One address of the bridge."""

    host: str
    port: int
    transport: str

    @property
    def address(self) -> str:
        """Give host and port."""
        return f"{self.host}:{self.port}"


def destinations(trunk: Trunk) -> Sequence[Destination]:
    """Give where a trunk's calls go, in the order of trying; what is not enabled is left out."""
    deliveries = trunk.inbound.deliver_to if trunk.inbound is not None else ()
    enabled = [delivery for delivery in deliveries if delivery.enabled]
    return [_destination(one, trunk) for one in sorted(enabled, key=lambda one: one.priority)]


def _destination(delivery: Delivery, trunk: Trunk) -> Destination:
    scheme, _, rest = delivery.url.partition(":")
    address, _, transport = rest.partition(";transport=")
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        host, port = address, ""
    if not transport:
        fallback = "udp" if trunk.transport == "auto" else trunk.transport
        transport = "tls" if scheme == "sips" else fallback
    return Destination(
        host, int(port) if port else (5061 if transport == "tls" else 5060), transport
    )
