"""What a user may ask of the sandbox."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import yaml

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
#: What can be reached through a proxy: its clients are told the proxy's address.
REACHED: Final = ("redis", "livekit", "carrier", "api")

#: How much SRTP is asked of the trunk while SIP goes over TLS.
MediaEncryption = Literal["disable", "allow", "require"]

#: Whose far end the simulated carrier plays, where it is not a carrier's.
Profile = Literal["asterisk", "freeswitch"]

#: What `--twice` adds; the workers are two anyway.
SECOND: Final = ("livekit-server-2", "livekit-sip-2", "api-2", "loops", "loops-2")
#: What `--fallback` adds: another LiveKit with a Redis and keys of its own, as a hosted one has.
FALLBACK: Final = (
    "redis-fallback",
    "livekit-server-fallback",
    "livekit-sip-fallback",
    "worker-fallback",
)


@dataclass(frozen=True)
class PhoneSystem:
    """Somebody's own phone system in the carrier's place."""

    username: str
    password: str
    address: str


@dataclass(frozen=True)
class Options:
    """Choices for one run.

    Shape: ``database_url`` is None for the sandbox's own SQLite file, ``tls`` for SIP over UDP,
    ``profile`` for a carrier at the far end.
    """

    port_base: int | None = None
    without: frozenset[str] = frozenset()
    carrier: PhoneSystem | None = None
    database_url: str | None = None
    via: Mapping[str, str] = field(default_factory=dict[str, str])
    sip_settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    twice: bool = False
    fallback: bool = False
    tls: MediaEncryption | None = None
    profile: Profile | None = None
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
        "--via",
        type=_via,
        default=dict[str, str](),
        metavar="NAME=HOST:PORT,...",
        help=f"let the others reach a part through a proxy: {', '.join(REACHED)}",
    )
    parser.add_argument(
        "--sip-settings",
        type=_mapping,
        default=dict[str, Any](),
        metavar="YAML",
        help="put these on top of livekit-sip's configuration, as {max_cpu_utilization: 0.9}",
    )
    parser.add_argument(
        "--twice",
        action="store_true",
        help="run two of every part on one Redis; needs --database-url",
    )
    parser.add_argument(
        "--fallback",
        action="store_true",
        help="run a second LiveKit that shares nothing with the first, as the dialer's fallback",
    )
    parser.add_argument(
        "--tls",
        choices=get_args(MediaEncryption),
        help="SIP over TLS by an authority of the sandbox's own, and this much SRTP on the trunk",
    )
    parser.add_argument(
        "--profile",
        choices=get_args(Profile),
        help="let the simulated carrier behave as this PBX does in its usual settings",
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
        via=arguments.via,
        sip_settings=arguments.sip_settings,
        twice=arguments.twice,
        fallback=arguments.fallback,
        tls=arguments.tls,
        profile=arguments.profile,
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
    if chosen.fallback and (chosen.twice or chosen.tls):
        parser.error(
            "--fallback goes neither with --twice nor with --tls: there are no ports for it"
        )
    return chosen


def phone_system(text: str) -> PhoneSystem:
    """Read USER:PASS@HOST:PORT; the password may hold colons and @."""
    credentials, at, address = text.rpartition("@")
    username, colon, password = credentials.partition(":")
    host, _, port = address.rpartition(":")
    whole = at and colon and username and password and host
    if not whole or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError("must look like USER:PASS@HOST:PORT")
    return PhoneSystem(username, password, address)


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if unknown := sorted(names.difference(NAMES)):
        raise argparse.ArgumentTypeError(
            f"no process is named {', '.join(unknown)}; there are {', '.join(NAMES)}"
        )
    return names


def _via(text: str) -> dict[str, str]:
    parts = [pair.strip().partition("=") for pair in text.split(",") if pair.strip()]
    via = {name: address for name, _, address in parts}
    if unknown := sorted(set(via).difference(REACHED)):
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown)} cannot be reached through a proxy; {', '.join(REACHED)} can"
        )
    if not all(":" in address for address in via.values()):
        raise argparse.ArgumentTypeError("must look like NAME=HOST:PORT")
    return via


def _mapping(text: str) -> dict[str, Any]:
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise argparse.ArgumentTypeError("must be YAML") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a mapping, as {key: value}")
    return cast("dict[str, Any]", value)
