"""Which URLs may be called at all, so that a webhook is no way into our own network.

What a name stands for is only known when it is asked for: the address that the call then goes to
is checked again, each time (``forbidden``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from telephony.errors import Refused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LONGEST: Final = 2048
#: A host whose last part is a number is an address, however oddly it is written: ``0x7f.1``.
_NUMERIC: Final = re.compile(r"(?:^|\.)(?:\d+|0[xX][0-9a-fA-F]*)\.?$")
#: Where a network was allowed by name, a server inside of it may listen anywhere.
PORTS: Final = frozenset({443, 8443})
#: IPv6 addresses that carry an IPv4 address (NAT64, anybody's and one's own; 6to4; "translated";
#: "compatible"), and a site's own.
_NO_WAY: Final = tuple(
    map(
        IPv6Network,
        ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "::ffff:0:0:0/96", "::/96", "fec0::/10"),
    )
)


def callable_url(url: str) -> str:
    """Check the form of a webhook's URL, and give it back.

    Shape: http is for networks that WEBHOOK_ALLOWED_NETWORKS names; whether it does is seen when
    the webhook is called. Errors: Refused ``webhook_url_forbidden``.
    """
    parts = _split(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise _forbidden("must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise _forbidden("must hold no user and no password")
    if parts.fragment or len(url) > _LONGEST or any(c <= " " or c > "~" for c in url):
        raise _forbidden("must be an ordinary URL without spaces and fragment")
    if _written_oddly(parts.hostname):
        raise _forbidden("must write an address as four numbers, or in brackets")
    return url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        raise _forbidden("is no URL") from None
    return parts


def _written_oddly(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return _NUMERIC.search(host) is not None
    return False


def forbidden(
    address: Address, *, scheme: str, port: int, allowed: Sequence[Network]
) -> str | None:
    """Say why an address is not called, None where it may be.

    Shape: what the operator allowed may be called by http and at any port; anything else only by
    https, at the ports of it, and only where it is reached over the public network.
    """
    plain = _plain(address)
    if any(plain in network for network in allowed if network.version == plain.version):
        return None
    if scheme != "https":
        return "only https is called outside of WEBHOOK_ALLOWED_NETWORKS"
    if port not in PORTS:
        return "only the ports 443 and 8443 are called outside of WEBHOOK_ALLOWED_NETWORKS"
    if not plain.is_global or plain.is_multicast or _no_way(plain):
        return "the address is none of the public network"
    return None


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _no_way(address: Address) -> bool:
    return isinstance(address, IPv6Address) and any(address in net for net in _NO_WAY)


def _forbidden(what: str) -> Refused:
    return Refused("webhook_url_forbidden", f"The webhook's URL {what}.", field="webhook_url")
