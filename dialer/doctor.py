"""Examine an installation: every part that a call needs, what is wrong with it and what to do."""

from __future__ import annotations

import asyncio
import platform
import re
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from dialer import migrations, taken_port
from dialer.adapters import probes
from dialer.adapters.probes import Trouble
from dialer.admission import agents
from dialer.routing.directory import Directory, allowed_countries, of_settings
from dialer.routing.store import open_trunks
from dialer.routing.trunk import OUTBOUND, Trunk
from dialer.setting_checks import hosted
from dialer.settings import HOW_TO_SET_A_TRUNK, Settings
from telephony.errors import TelephonyError
from trunks.doctor.findings import Finding, Verdict, show
from trunks.doctor.versions import built, module_version

#: Refused below the first, doubted below the second; what the second mended is named.
SIP_VERSIONS = ((1, 7, 0), (1, 9, 0))
SERVER_VERSIONS = ((1, 9, 12), (1, 9, 12))
#: Units: seconds; more is warned about.
MOST_SKEW = 60.0
_SIP_MISSING = "lacks fixes for CANCEL crossing an answer and for the longest duration"


def examine(settings: Settings, console: Console) -> int:
    """Print every finding; gives the exit status, 1 when something must be mended."""

    async def run() -> int:
        worst = 0
        async for finding in findings(settings):
            show(console, finding)
            worst = max(worst, finding.verdict is Verdict.BAD)
        return worst

    return asyncio.run(run())


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Look at one part after the other."""
    yield _python()
    for finding in _servers():
        yield finding
    yield _agents_file(settings)
    yield await asyncio.to_thread(_database, settings)
    async for finding in _redis_and_livekit(settings):
        yield finding
    async for finding in _trunks(settings):
        yield finding
    async for finding in _api(settings):
        yield finding


def _python() -> Finding:
    found = [f"Python {platform.python_version()}"]
    for package in ("fastapi", "livekit-api", "livekit-agents"):
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return Finding("versions", Verdict.GOOD, ", ".join(found))


def _servers() -> list[Finding]:
    wanted = (
        ("livekit-server", SERVER_VERSIONS, "loses calls after 3 seconds of ringing"),
        ("livekit-sip", SIP_VERSIONS, _SIP_MISSING),
    )
    return [_server(name, versions, lacks) for name, versions, lacks in wanted]


def _server(name: str, versions: tuple[tuple[int, ...], tuple[int, ...]], lacks: str) -> Finding:
    path = shutil.which(name) or built(name)
    if path is None:
        return Finding(name, Verdict.DOUBT, "is not on this machine; its version is not known")
    found = module_version(path)
    if found is None:
        return Finding(name, Verdict.DOUBT, "does not tell its version (Go is needed to read it)")
    said = ".".join(str(part) for part in found)
    least, better = versions
    if found < least:
        return Finding(name, Verdict.BAD, f"{said} is too old: it {lacks}")
    if found < better:
        return Finding(name, Verdict.DOUBT, f"{said} {lacks}; our own timers cover for it")
    return Finding(name, Verdict.GOOD, said)


def _agents_file(settings: Settings) -> Finding:
    try:
        found = agents.load(Path(settings.agents_file))
    except agents.AgentsFileError as error:
        return Finding("agents", Verdict.BAD, str(error))
    return Finding("agents", Verdict.GOOD, ", ".join(found.names))


def _database(settings: Settings) -> Finding:
    try:
        at = migrations.current(settings.database_url)
    except SQLAlchemyError:
        return Finding("database", Verdict.BAD, "cannot be reached: check DATABASE_URL")
    if at != migrations.head():
        return Finding(
            "database",
            Verdict.BAD,
            f"is at {at or 'nothing'} and needs to be at {migrations.head()}: run dialer migrate",
        )
    sqlite = settings.database_url.startswith("sqlite")
    kind = "SQLite, one dialer process" if sqlite else "Postgres"
    return Finding("database", Verdict.GOOD, f"{kind}, at {at}")


async def _redis_and_livekit(settings: Settings) -> AsyncIterator[Finding]:
    livekit = (
        settings.livekit_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
    )
    try:
        found = await probes.redis_answers(settings.redis_url)
        yield Finding("redis", Verdict.GOOD, found)
    except Trouble as error:
        yield Finding("redis", Verdict.BAD, str(error))
        found = None
    try:
        rooms = await probes.livekit_answers(*livekit)
        yield Finding("livekit", Verdict.GOOD, f"takes our key and secret; {rooms} rooms open")
    except Trouble as error:
        yield Finding("livekit", Verdict.BAD, str(error))
        return
    clock = await _clock(settings.livekit_url)
    if clock is not None:
        yield clock
    if found is None or hosted(settings.livekit_url) or settings.livekit_fallback_url:
        # A Redis of the dialer's own is right there: it outlives that of either LiveKit.
        return
    shared = await probes.same_redis(settings.redis_url, *livekit, prefix=settings.deployment)
    if shared:
        yield Finding("shared redis", Verdict.GOOD, "livekit-server uses this Redis too")
    else:
        yield Finding(
            "shared redis",
            Verdict.BAD,
            "livekit-server uses another Redis than REDIS_URL: livekit-server, livekit-sip and the "
            "dialer need the same one, with the same database number",
        )


async def _clock(url: str) -> Finding | None:
    skew = await probes.clock_skew(url)
    if skew is None:
        return None
    if abs(skew) <= MOST_SKEW:
        return Finding("clock", Verdict.GOOD, "agrees with livekit-server's")
    which = "ahead of" if skew > 0 else "behind"
    return Finding(
        "clock",
        Verdict.DOUBT,
        f"is {abs(skew):.0f} s {which} livekit-server's: tokens will be refused, or expire too "
        "soon; let both machines keep time (systemd-timesyncd, chrony)",
    )


async def _trunks(settings: Settings) -> AsyncIterator[Finding]:
    """Look at the trunk of the settings and at those of the database."""
    found = await _enabled_trunks(settings)
    if not found:
        said = f"SIP_TRUNK_ADDRESS is not set: sip calls wait. {HOW_TO_SET_A_TRUNK}"
        yield Finding("trunk", Verdict.BAD, said)
    for trunk in found:
        yield await asyncio.to_thread(_trunk, trunk)
    if found:
        yield _countries(settings, found)


async def _enabled_trunks(settings: Settings) -> Sequence[Trunk]:
    try:
        async with open_trunks(settings) as kept:
            return await Directory(settings, kept).trunks()
    except (TelephonyError, SQLAlchemyError):
        # What is wrong with the database is told where it is looked at.
        own = of_settings(settings)
        return [own] if own else []


def _trunk(trunk: Trunk) -> Finding:
    part = "trunk" if trunk.name == OUTBOUND else f"trunk {trunk.name}"
    address = trunk.address
    host = address.rpartition(":")[0] if re.search(r":\d+$", address) else address
    try:
        socket.getaddrinfo(host.strip("[]"), None)
    except OSError:
        return Finding(part, Verdict.BAD, f"the name {host} does not resolve")
    srtp = "" if trunk.encryption == "disable" else f" with SRTP ({trunk.encryption})"
    return Finding(
        part,
        Verdict.GOOD,
        f"{address} by {trunk.transport}{srtp}, {len(trunk.numbers)} caller IDs, "
        f"{trunk.cps:g} calls a second, to {', '.join(trunk.prefixes) or 'every number'}",
    )


def _countries(settings: Settings, trunks: Sequence[Trunk]) -> Finding:
    countries = allowed_countries(settings, trunks)
    if not countries:
        return Finding("countries", Verdict.BAD, "none may be called: set ALLOWED_COUNTRIES")
    return Finding("countries", Verdict.GOOD, f"{', '.join(sorted(countries))} may be called")


async def _api(settings: Settings) -> AsyncIterator[Finding]:
    host = settings.api_host if settings.api_host not in ("0.0.0.0", "::") else "127.0.0.1"
    url = f"http://{host}:{settings.api_port}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=5) as client:
            (await client.get("/healthz")).raise_for_status()
            missing: dict[str, Any] = (await client.get("/readyz")).json()["missing"]
    except (httpx.HTTPError, ValueError, KeyError):
        yield _port(host, settings.api_port)
        yield Finding("workers", Verdict.DOUBT, "not known while the API is not running")
        return
    yield Finding("api", Verdict.GOOD, f"answers at {url}")
    worker = missing.get("worker")
    yield Finding(
        "workers", Verdict.BAD if worker else Verdict.GOOD, worker or "at least one takes calls"
    )


def _port(host: str, port: int) -> Finding:
    said = taken_port.obstacle(host, port)
    if said is not None:
        return Finding("api", Verdict.BAD, f"{said}, and it is not this API: set API_PORT")
    return Finding("api", Verdict.DOUBT, f"is not running; port {port} is free: dialer api")
