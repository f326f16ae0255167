"""What a user may ask of the sandbox."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.folders import DEFAULT_STATE

NAMES: Final = (
    "redis",
    "livekit-server",
    "livekit-sip",
    "carrier",
    "speech",
    "api",
    "worker",
    "worker-2",
)

#: What `--twice` adds; the workers are two anyway.
SECOND: Final = ("livekit-server-2", "livekit-sip-2", "api-2", "loops", "loops-2")


@dataclass(frozen=True)
class PhoneSystem:
    """Somebody's own phone system in the carrier's place."""

    username: str
    password: str
    address: str


@dataclass(frozen=True)
class Options:
    """Choices for one run.

    Shape: ``database_url`` is None for the sandbox's own SQLite file.
    """

    port_base: int | None = None
    without: frozenset[str] = frozenset()
    carrier: PhoneSystem | None = None
    database_url: str | None = None
    twice: bool = False
    state: Path = DEFAULT_STATE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that every command which starts a sandbox takes."""
    parser.add_argument(
        "--port-base", type=int, metavar="N", help="use ports N, N+1, ... instead of free ones"
    )
    parser.add_argument(
        "--without",
        type=_names,
        default=frozenset[str](),
        metavar="NAME,...",
        help=f"leave processes out: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--carrier",
        type=phone_system,
        metavar="USER:PASS@HOST:PORT",
        help="point the trunk at another phone system",
    )
    parser.add_argument(
        "--database-url", metavar="URL", help="keep calls in Postgres instead of SQLite"
    )
    parser.add_argument(
        "--twice",
        action="store_true",
        help="run two of every part on one Redis; needs --database-url",
    )
    parser.add_argument(
        "--state",
        type=lambda text: Path(text).resolve(),
        default=DEFAULT_STATE,
        metavar="FOLDER",
        help="keep logs, calls and sandbox.json here (default: .sandbox)",
    )


def from_arguments(arguments: argparse.Namespace) -> Options:
    """Take the options out of parsed arguments."""
    return Options(
        port_base=arguments.port_base,
        without=arguments.without,
        carrier=arguments.carrier,
        database_url=arguments.database_url,
        twice=arguments.twice,
        state=arguments.state,
    )


def parse(arguments: Sequence[str]) -> Options:
    """Parse a command line; leaves with status 2 and a sentence when it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Run a phone network in a box until Ctrl-C."
    )
    add_arguments(parser)
    chosen = from_arguments(parser.parse_args(arguments))
    if chosen.twice and chosen.database_url is None:
        parser.error("--twice needs --database-url: SQLite serves one dialer process")
    return chosen


def phone_system(text: str) -> PhoneSystem:
    """Read USER:PASS@HOST:PORT; the password may hold colons and @."""
    credentials, at, address = text.rpartition("@")
    username, colon, password = credentials.partition(":")
    host, _, port = address.rpartition(":")
    whole = at and colon and username and password and host
    if not whole or not port.isdigit() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError("must look like USER:PASS@HOST:PORT")
    return PhoneSystem(username, password, address)


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if unknown := sorted(names.difference(NAMES)):
        raise argparse.ArgumentTypeError(
            f"no process is named {', '.join(unknown)}; there are {', '.join(NAMES)}"
        )
    return names
