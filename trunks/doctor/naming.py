"""DNS: does the trunk's name lead to an address, and by which records."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator

from trunks.doctor import srv
from trunks.doctor.findings import Finding, bad, doubt, good
from trunks.doctor.subject import Subject

_PART = "dns"
#: Units: seconds.
_PATIENCE = 5.0


async def probe(subject: Subject) -> AsyncIterator[Finding]:
    """Look the address up as the bridge does: A and AAAA first, and SRV where there is neither.

    Source: livekit/sipgo a5b4a38, ``transport/layer.go``, ``resolveAddr``.
    """
    try:
        ipaddress.ip_address(subject.host)
        yield good(_PART, f"{subject.host} is an address")
        return
    except ValueError:
        pass
    addresses = await addresses_of(subject.host)
    services = await _services(subject) if subject.told_port is None or not addresses else []
    listed = ", ".join(f"{one.target}:{one.port}" for one in services)
    if addresses:
        yield good(_PART, f"{subject.host} is {', '.join(addresses)}")
        if services:
            yield doubt(
                _PART,
                f"the SRV records say {listed}, and the bridge reads them only where the name "
                f"has no address: it dials port {subject.port}",
            )
    elif services:
        yield doubt(_PART, f"{subject.host} has SRV records alone ({listed}): the bridge takes one")
    else:
        yield bad(_PART, f"the name {subject.host} does not resolve", "no_such_name")


async def addresses_of(host: str) -> list[str]:
    """List the addresses of a name; none where it has none, or nobody says."""
    try:
        async with asyncio.timeout(_PATIENCE):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError, UnicodeError):
        return []
    return list(dict.fromkeys(str(one[4][0]) for one in found))


async def _services(subject: Subject) -> list[srv.Service]:
    network = "udp" if subject.transport in ("udp", "auto") else "tcp"
    try:
        return await srv.services(f"_sip._{network}.{subject.host}")
    except (srv.NoAnswer, UnicodeError):
        return []
