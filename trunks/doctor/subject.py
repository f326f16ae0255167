"""What is examined: one trunk, from the file or as the gateway keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trunks.sip_destinations import Destination, destinations

if TYPE_CHECKING:
    from trunks.desired import Desired, Encryption, Transport

#: Where a trunk is written that `dialer trunks apply` makes.
FILE = "the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A trunk.

    Shape: ``address`` is empty where no calls leave by it; ``called`` are its numbers that take
    calls; ``origin`` says where it is written, in words.
    """

    name: str
    origin: str
    livekit_name: str
    address: str = ""
    transport: Transport = "udp"
    encryption: Encryption = "disable"
    numbers: tuple[str, ...] = field(default=(), repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    prefixes: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    called: tuple[str, ...] = field(default=(), repr=False)
    delivered_to: tuple[Destination, ...] = ()
    allowed_addresses: tuple[str, ...] = ()

    @property
    def made_so(self) -> str:
        """Say what makes LiveKit as it is wanted."""
        if self.origin == FILE:
            return "dialer trunks apply"
        return "the running gateway does so every few seconds"

    @property
    def host(self) -> str:
        """Give the host of the address, without brackets."""
        host, colon, port = self.address.rpartition(":")
        return (host if colon and port.isdigit() else self.address).strip("[]")

    @property
    def told_port(self) -> int | None:
        """Give the port that the address names, None where it names none."""
        host, colon, port = self.address.rpartition(":")
        named = colon and port.isdigit() and not host.endswith(":")
        return int(port) if named else None

    @property
    def port(self) -> int:
        """Give the port that is dialled."""
        return self.told_port or (5061 if self.transport == "tls" else 5060)


def of_file(desired: Desired, name: str) -> Subject:
    """Take a trunk of the file."""
    trunk = desired.trunks[name]
    outbound = trunk.outbound
    numbers = desired.numbers_by_trunk[name]
    password = outbound.password if outbound else None
    return Subject(
        name=name,
        origin=FILE,
        livekit_name=desired.mark(name),
        address=desired.address_of(name) if outbound else "",
        transport=trunk.transport,
        encryption=trunk.encryption,
        numbers=numbers,
        username=(outbound.username or "") if outbound else "",
        password=password.get_secret_value() if password else "",
        prefixes=outbound.prefixes if outbound else (),
        codecs=tuple(outbound.codecs) if outbound else (),
        called=tuple(one for one in numbers if trunk.inbound and desired.route_of(one)),
        delivered_to=tuple(destinations(trunk)),
        allowed_addresses=trunk.inbound.allowed_addresses if trunk.inbound else (),
    )
