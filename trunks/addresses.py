"""Hosts, networks and SIP URIs as the file writes them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_SIP_URI = re.compile(
    r"(?P<scheme>sips?):(?P<address>[^;@?<>\s]+)(;transport=(?P<transport>udp|tcp|tls))?\Z"
)
_PORTS = re.compile(r"(?P<first>[0-9]{1,5})-(?P<last>[0-9]{1,5})\Z")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")

#: Wider than these, a network admits everybody who takes the trouble.
_WIDEST = {4: 8, 6: 16}


def address(text: str) -> str:
    """Check a SIP host with an optional port, and give it back.

    Errors: PydanticCustomError ``not_a_host`` or ``not_a_port``.
    """
    host, port = _split(text)
    if not _is_host(host) or text.lower().startswith(("sip:", "sips:")):
        raise PydanticCustomError(
            "not_a_host",
            "Write a host and an optional port, without sip:, user or parameters.",
        )
    if port is not None and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise PydanticCustomError("not_a_port", "A port is a number from 1 to 65535.")
    return text


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text.partition("]")
        return host + bracket, rest[1:] if rest.startswith(":") else (rest or None)
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return host.endswith("]") and _is_ip(host[1:-1])
    if re.fullmatch(r"[0-9.]+", host):
        return _is_ip(host)
    return 0 < len(host) <= 253 and all(_LABEL.match(part) for part in host.split("."))


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def port_of(text: str) -> int | None:
    """Give the port of an address that was checked; None where it has none."""
    port = _split(text)[1]
    return None if port is None else int(port)


def is_loopback(text: str) -> bool:
    """Tell whether an address that was checked is this machine's own."""
    host = _split(text)[0].strip("[]")
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def sip_uri(text: str) -> str:
    """Check a SIP URI of a host, and give it back.

    Errors: PydanticCustomError ``not_a_sip_uri``, ``not_a_host`` or ``not_a_port``.
    """
    match = _SIP_URI.match(text)
    if match is None:
        raise PydanticCustomError(
            "not_a_sip_uri", "Write sip:HOST:PORT, with ;transport=tls behind it where wanted."
        )
    address(match["address"])
    return text


def uri_speaks_tls(text: str) -> bool:
    """Tell whether a URI that was checked asks for TLS."""
    return text.startswith("sips:") or text.endswith(";transport=tls")


def port_of_uri(text: str) -> int | None:
    """Give the port of a URI that was checked; None where it has none."""
    return port_of(text.partition(":")[2].partition(";")[0])


def network(text: str) -> str:
    """Check one network, and give it in its canonical form; a bare address is a network of one.

    Errors: PydanticCustomError ``one_cidr_per_entry`` or ``not_a_cidr``.
    """
    if "," in text or len(text.split()) > 1:
        raise PydanticCustomError(
            "one_cidr_per_entry",
            "Write one CIDR per entry: LiveKit takes a list in one entry for no restriction.",
        )
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise PydanticCustomError("not_a_cidr", "{hint}", {"hint": _meant(text)}) from None


def _meant(text: str) -> str:
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "Write a network such as 54.172.60.0/30; host names are not followed."
    return f"The address has bits behind its prefix. Did you mean {meant}?"


def admits_everybody(text: str) -> bool:
    """Tell whether a network that was checked is far wider than any carrier."""
    net = ipaddress.ip_network(text)
    return net.prefixlen < _WIDEST[net.version]


def https(text: str) -> str:
    """Check an https URL, and give it back. Errors: PydanticCustomError ``not_https``."""
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or not text.isprintable() or " " in text:
        raise PydanticCustomError("not_https", "Write an https:// URL.")
    return text


def webhook(text: str) -> str:
    """Check a URL that the gateway will ask, and give it back.

    Errors: PydanticCustomError ``not_a_webhook``.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or not text.isprintable():
        raise PydanticCustomError(
            "not_a_webhook", "Write an https:// URL (http:// in networks of your own)."
        )
    return text


def port_range(text: str) -> str:
    """Check a range of ports, and give it back.

    Errors: PydanticCustomError ``not_a_port_range``.
    """
    match = _PORTS.match(text)
    if match is None or not 0 < int(match["first"]) < int(match["last"]) < 65_536:
        raise PydanticCustomError("not_a_port_range", "Write the first and the last, 10000-20000.")
    return text


def ports_in(text: str) -> int:
    """Count the ports of a range that was checked; an odd one out is in no pair, and left over."""
    first, _, last = text.partition("-")
    return (int(last) - int(first) + 1) // 2 * 2


def server(text: str) -> str:
    """Check the URL of a LiveKit, and give it without a slash at its end.

    Errors: PydanticCustomError ``not_a_server``.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise PydanticCustomError("not_a_server", "Write a URL such as ws://127.0.0.1:7880.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise PydanticCustomError("not_a_server", "Write the server's URL without a path.")
    return text.rstrip("/")


def domain(text: str) -> str:
    """Check the name of a termination domain, and give it back.

    Errors: PydanticCustomError ``not_a_domain``.
    """
    if not _DOMAIN.match(text):
        raise PydanticCustomError(
            "not_a_domain",
            "Write lower case letters, digits and hyphens, without what the carrier puts behind.",
        )
    return text
