"""livekit-server, livekit-sip and our own Go programs: found, or built once from pinned modules.

A built binary's file name tells its version, and ``go version -m`` tells what it really is.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.folders import PROJECT
from sandbox.settings import Settings

SERVERS: Final = PROJECT / "sandbox" / "servers"
CARRIER: Final = PROJECT / "sandbox" / "carrier"
COMPOSE_READER: Final = PROJECT / "setup" / "compose_reader"
_OLDEST_SIP: Final = (1, 7, 0)
_FIXED: Final = (
    ((1, 9, 0), "a limit on the whole call's duration by the bridge itself (livekit/sip#762)"),
    ((1, 9, 0), "the race of CANCEL against 200 OK (livekit/sip#756)"),
    ((1, 9, 0), "recovery from a panic in one call (livekit/sip#765)"),
)


class ServerMissing(Exception):
    """A server is not there, too old, or could not be built; the message says what to do."""


@dataclass(frozen=True)
class Server:
    """A Go program and where it comes from."""

    name: str
    package: str
    module: str


LIVEKIT_SERVER: Final = Server(
    "livekit-server",
    "github.com/livekit/livekit-server/cmd/server",
    "github.com/livekit/livekit-server",
)
LIVEKIT_SIP: Final = Server(
    "livekit-sip", "github.com/livekit/sip/cmd/livekit-sip", "github.com/livekit/sip"
)
_BY_NAME: Final = {server.name: server for server in (LIVEKIT_SERVER, LIVEKIT_SIP)}


def pinned(server: Server) -> str:
    """Give the version that go.mod pins."""
    text = (SERVERS / "go.mod").read_text()
    found = re.search(rf"^\s*{re.escape(server.module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise ServerMissing(f"{SERVERS / 'go.mod'} does not pin {server.module}")
    return found.group(1)


def find(server: Server) -> Path:
    """Give the binary: the one on PATH when its version will do, else the built one.

    Errors: ServerMissing.
    """
    on_path = shutil.which(server.name)
    if on_path is not None and _will_do(server, version_of(Path(on_path), server)):
        return Path(on_path)
    built = _built(server)
    if not built.exists():
        raise ServerMissing(f"{server.name} {pinned(server)} is not built; run: make setup")
    return built


def version_of(binary: Path, server: Server) -> str | None:
    """Ask the binary for its module's version; None when it or Go does not tell."""
    go = shutil.which("go")
    if go is None:
        found = re.search(r"-(v[0-9][^/]*)$", binary.name)
        return found.group(1) if found else None
    asked = subprocess.run(
        [go, "version", "-m", str(binary)], capture_output=True, text=True, timeout=30
    )
    found = re.search(rf"^\s*(?:mod|dep)\s+{re.escape(server.module)}\s+(v\S+)", asked.stdout, re.M)
    return found.group(1) if found else None


def check_sip(version: str | None) -> str | None:
    """Refuse a bridge that is too old, and give a warning for one that lacks repairs.

    Errors: ServerMissing below 1.7.0.
    """
    if version is None:
        return "the version of livekit-sip could not be told; 1.7.0 is the oldest that works"
    if numbers(version) < _OLDEST_SIP:
        raise ServerMissing(
            f"livekit-sip {version} is too old: at least v1.7.0 is needed "
            "(remove it from PATH, then: make setup)"
        )
    lacking = [what for since, what in _FIXED if numbers(version) < since]
    if not lacking:
        return None
    return f"livekit-sip {version} lacks, until v1.9.0: {'; '.join(lacking)}"


def numbers(version: str) -> tuple[int, int, int]:
    """Give the three numbers of a version; zeros where there are none."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


def build(server: Server) -> Path:
    """Build a server into the user's cache, unless it is there.

    Errors: ServerMissing with the compiler's own words printed before.
    """
    try:
        return find(server)
    except ServerMissing:
        return _go_build(SERVERS, server.package, _built(server))


def build_carrier() -> Path:
    """Build the simulated carrier, unless its sources were built already: a matter of seconds.

    Errors: ServerMissing.
    """
    return _build_own("carrier", CARRIER)


def build_compose_reader() -> Path:
    """Build the program that reads compose files, unless its sources were built already.

    Errors: ServerMissing.
    """
    return _build_own("compose-reader", COMPOSE_READER)


def _build_own(name: str, sources: Path) -> Path:
    built = _built_own(name, sources)
    return built if built.exists() else _go_build(sources, ".", built)


def _will_do(server: Server, version: str | None) -> bool:
    if version is None:
        return False
    oldest = _OLDEST_SIP if server is LIVEKIT_SIP else numbers(pinned(server))
    return numbers(version) >= oldest


def _built(server: Server) -> Path:
    return Settings().cache / "servers" / f"{server.name}-{pinned(server)}"


def _built_own(name: str, sources: Path) -> Path:
    digest = hashlib.sha256()
    for source in sorted(sources.rglob("*")):
        if source.name in ("go.mod", "go.sum") or source.suffix == ".go":
            digest.update(source.relative_to(sources).as_posix().encode())
            digest.update(source.read_bytes())
    return Settings().cache / "servers" / f"{name}-{digest.hexdigest()[:16]}"


def _go_build(folder: Path, package: str, target: Path) -> Path:
    go = shutil.which("go")
    if go is None:
        raise ServerMissing("Go is missing: install Go 1.26 or newer from https://go.dev/dl")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Another build may write at the same time: each its own part, and the last one stays.
    part = target.with_name(f"{target.name}.{os.getpid()}")
    command = [go, "build", "-mod=readonly", "-buildvcs=false", "-o", str(part), package]
    if subprocess.run(command, cwd=folder).returncode != 0:
        part.unlink(missing_ok=True)
        raise ServerMissing(f"building {target.name} failed; the compiler's words are above")
    part.replace(target)
    return target


def main(names: list[str]) -> int:
    """Build what is named: livekit-server, livekit-sip, carrier, compose-reader."""
    own = {"carrier": build_carrier, "compose-reader": build_compose_reader}
    try:
        for name in names:
            print(own[name]() if name in own else build(_BY_NAME[name]))
    except ServerMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
