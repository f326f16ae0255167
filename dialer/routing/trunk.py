"""A trunk: the way to one carrier, as the dialer uses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Transport = Literal["udp", "tcp", "tls", "auto"]
Encryption = Literal["disable", "allow", "require"]

#: The name of the trunk that the settings describe.
OUTBOUND = "outbound"
#: Among trunks that fit a number equally well the lowest goes first.
PRIORITY = 10

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_PREFIX = re.compile(r"\+[0-9]{0,15}\Z")
_HEADER = re.compile(r"[Xx]-[A-Za-z0-9-]{1,62}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A trunk as it is wanted.

    Shape: ``numbers`` are the caller IDs that its carrier takes, the first one is the default;
    ``prefixes`` are beginnings of the numbers that it carries, none means every number;
    ``concurrency`` None means that nobody limits it. ``livekit_name`` is what it is called in
    LiveKit; ``codecs`` are those to offer, the best first, none means the bridge's own choice;
    ``deployment`` whose it is, empty where nobody made it by a file; ``marks`` is what whoever made
    it wants to find again, as the carrier's own ids.
    Errors: ValueError for what no trunk can be.
    """

    name: str
    livekit_name: str
    address: str
    numbers: tuple[str, ...] = field(repr=False)
    transport: Transport = "udp"
    username: str = ""
    password: str = field(default="", repr=False)
    prefixes: tuple[str, ...] = ()
    priority: int = PRIORITY
    cps: float = 1.0
    concurrency: int | None = None
    destination_country: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    encryption: Encryption = "disable"
    codecs: tuple[str, ...] = ()
    enabled: bool = True
    deployment: str = ""
    marks: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuse what could be stored and never work."""
        if not _NAME.match(self.name):
            raise ValueError("a trunk's name is of small letters, digits, dots, dashes")
        if not self.address or not self.livekit_name:
            raise ValueError(f"trunk {self.name}: the address or its name in LiveKit is missing")
        if not self.numbers:
            raise ValueError(f"trunk {self.name}: it has no number to call from")
        if bool(self.username) != bool(self.password):
            raise ValueError(f"trunk {self.name}: user and password go together")
        if not 0 < self.cps <= 1000:
            raise ValueError(f"trunk {self.name}: cps is more than 0 and at most 1000")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"trunk {self.name}: concurrency is at least 1")
        if wrong := [prefix for prefix in self.prefixes if not _PREFIX.match(prefix)]:
            raise ValueError(f"trunk {self.name}: {wrong[0]!r} is no prefix like +1415")
        if wrong := [name for name in self.headers if not _HEADER.match(name)]:
            raise ValueError(f"trunk {self.name}: the header {wrong[0]!r} does not begin with X-")
        if any(c in value for value in self.headers.values() for c in "\r\n"):
            raise ValueError(f"trunk {self.name}: a header's value is one line")

    def fit(self, number: str) -> int | None:
        """Give the length of the longest prefix that a number begins with, None where none does."""
        if not self.prefixes:
            return 0
        return max((len(p) for p in self.prefixes if number.startswith(p)), default=None)

    def shows(self, wanted: str | None, *, to: str) -> str | None:
        """Give the number that the callee would see, None where the trunk has none to show."""
        if wanted is not None:
            return wanted if wanted in self.numbers else None
        return next((number for number in self.numbers if number != to), None)


@dataclass(frozen=True, slots=True)
class Line:
    """A trunk that LiveKit has; ``id`` is the one that LiveKit knows it by."""

    trunk: Trunk
    id: str
