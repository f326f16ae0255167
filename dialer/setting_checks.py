"""What the value of a setting must look like."""

from __future__ import annotations

import re
from ipaddress import ip_network
from urllib.parse import urlsplit

from pydantic import SecretStr

from telephony.errors import TelephonyError
from telephony.numbers import COUNTRIES, E164

_MIN_SECRET = 32

#: 32 random hexadecimal digits with fewer different ones than that: one chance in a million.
_MIN_DISTINCT = 8

#: What examples and templates hold where a secret belongs.
_PLACEHOLDER = re.compile(
    r"change.?(me|this)|replace.?(me|this|with)|placeholder|your.?secret|\$\(", re.I
)


def trunk_host(address: str) -> str:
    """Check a SIP host and optional port, and give it back.

    Errors: ValueError for a URI, a parameter, a user part or an impossible port.
    """
    if any(c in address for c in "@;/ ,<>") or address.lower().startswith(("sip:", "sips:")):
        raise ValueError("must be a host and an optional port, without sip:, user or parameters")
    _, colon, port = address.rpartition(":")
    if colon and not address.endswith("]") and not (port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError("has a port that is none")
    return address


def long_secret(secret: SecretStr) -> SecretStr:
    """Check that a secret is long and no placeholder, and give it back. Errors: ValueError."""
    value = secret.get_secret_value()
    if len(value) < _MIN_SECRET:
        raise ValueError(f"must have at least {_MIN_SECRET} characters: openssl rand -hex 32")
    if len(set(value)) < _MIN_DISTINCT or _PLACEHOLDER.search(value):
        raise ValueError("is a placeholder and no secret: openssl rand -hex 32")
    return secret


def begins(url: str, *schemes: str) -> str:
    """Check that a URL begins with one of these, and give it back. Errors: ValueError."""
    if not url.startswith(schemes):
        raise ValueError(f"must begin with {' or '.join(schemes)}")
    return url


def server(url: str) -> str:
    """Check that a URL names a server and nothing on it, and give it without a slash.

    Errors: ValueError.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be a host and an optional port, without a path behind it")
    return url.rstrip("/")


def network(part: str) -> str:
    """Give a network as CIDR. Errors: ValueError."""
    try:
        return str(ip_network(part.strip()))
    except ValueError:
        raise ValueError("holds something that is no network like 10.1.2.0/24") from None


def hosted(livekit_url: str) -> bool:
    """Tell whether it is a project of LiveKit Cloud, which counts requests and shows no Redis."""
    return (urlsplit(livekit_url).hostname or "").endswith(".livekit.cloud")


def e164(part: str) -> str:
    """Give a number of ours in E.164. Errors: ValueError."""
    try:
        return str(E164.parse(part.strip()))
    except TelephonyError as error:
        raise ValueError("holds something that is no E.164 number") from error


def country(part: str) -> str:
    """Give the code of a country in capitals. Errors: ValueError."""
    code = part.strip().upper()
    if code == "*":
        raise ValueError("takes no wildcard: name every country that may be called")
    if code not in COUNTRIES:
        raise ValueError("holds something that is no ISO 3166 country code of two letters")
    return code
