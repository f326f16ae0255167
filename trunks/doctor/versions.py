"""The versions of LiveKit's servers, and what is known to be wrong in them.

The addresses are those of the reports and changes themselves; docs/doctor.md is generated from the
table.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trunks.doctor.findings import Finding, doubt, good

Version = tuple[int, ...]
Server = Literal["livekit-sip", "livekit-server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBug:
    """One error.

    Shape: it is in versions from ``since`` on and before ``mended``; in all where that is None.
    ``says`` goes on after "this version"; ``only`` names the transport that it is about.
    """

    server: Server
    says: str
    upstream: str
    since: Version = (0,)
    mended: Version | None = None
    only: str = ""


KNOWN_BUGS = (
    KnownBug(
        server="livekit-sip",
        mended=(1, 9, 0),
        says="leaves a phone answered that was cancelled in the same moment: a 200 that crosses "
        "CANCEL gets neither ACK nor BYE",
        upstream="https://github.com/livekit/sip/pull/756",
    ),
    KnownBug(
        server="livekit-sip",
        mended=(1, 9, 0),
        says="sometimes does not end a call at its longest duration; the worker and the dialer do",
        upstream="https://github.com/livekit/sip/issues/353",
    ),
    KnownBug(
        server="livekit-sip",
        says="dials twice where a request comes twice; the dialer's permit keeps that from "
        "happening, other clients must not retry",
        upstream="https://github.com/livekit/sip/pull/750",
    ),
    KnownBug(
        server="livekit-sip",
        says="reads SRV records only of a name that has no address",
        upstream="https://github.com/livekit/sip/pull/809",
    ),
    KnownBug(
        server="livekit-sip",
        only="tls",
        says="checks the chain of a carrier's certificate and not its name, with a tls section",
        upstream="https://github.com/livekit/sip/pull/462",
    ),
    KnownBug(
        server="livekit-sip",
        only="tls",
        says="shows carriers no certificate of its own (mutual TLS)",
        upstream="https://github.com/livekit/sip/issues/530",
    ),
    KnownBug(
        server="livekit-server",
        since=(1, 9, 11),
        mended=(1, 9, 12),
        says="gives an outbound call up after three seconds of ringing",
        upstream="https://github.com/livekit/livekit/issues/4269",
    ),
    KnownBug(
        server="livekit-server",
        says="drops a dispatch that no worker takes, silently; the dialer watches for that",
        upstream="https://github.com/livekit/livekit/issues/4060",
    ),
)

_MODULE = re.compile(r"github\.com/livekit/(?:livekit-server|sip)\s+v(\d+)\.(\d+)\.(\d+)")


def module_version(path: str) -> Version | None:
    """Read the version that a Go binary was built from; its own --version may be a placeholder."""
    go = shutil.which("go")
    if go is None:
        return None
    told = subprocess.run(
        [go, "version", "-m", path], capture_output=True, text=True, timeout=20, check=False
    ).stdout
    match = _MODULE.search(told)
    return None if match is None else tuple(int(part) for part in match.groups())


def built(name: str) -> str | None:
    """Find the one that the sandbox built, the newest of several."""
    cache = Path.home() / ".cache"
    found = sorted(
        (cache / "telephony/servers").glob(f"{name}-v*"), key=lambda path: path.stat().st_mtime
    )
    return str(found[-1]) if found else None


def parse(text: str) -> Version:
    """Read a version as people write it. Errors: ValueError."""
    return tuple(int(part) for part in text.strip().removeprefix("v").split(".")[:3])


def bugs_of(server: Server, version: Version, transport: str) -> Iterator[KnownBug]:
    """List what is wrong in a version, for a trunk of this transport."""
    for bug in KNOWN_BUGS:
        within = bug.since <= version and (bug.mended is None or version < bug.mended)
        if bug.server == server and within and bug.only in ("", transport):
            yield bug


def probe(server: Server, told: str, transport: str) -> Iterator[Finding]:
    """Look a version up: the one that is told, else that of the binary on this machine."""
    version = parse(told) if told else _on_this_machine(server)
    if version is None:
        option = "--bridge-version" if server == "livekit-sip" else "--server-version"
        yield doubt(server, f"its version is not known here: tell it by {option}")
        return
    said = ".".join(map(str, version))
    found = list(bugs_of(server, version, transport))
    if mended := [bug for bug in found if bug.mended]:
        yield doubt(server, f"{said} {_listed(mended)}", "known_bug")
    else:
        yield good(server, said)
    if lasting := [bug for bug in found if not bug.mended]:
        yield good(server, f"as every version, {said} {_listed(lasting)}")


def _listed(bugs: Sequence[KnownBug]) -> str:
    return "; ".join(f"{bug.says} ({_mended(bug)}{bug.upstream})" for bug in bugs)


def _mended(bug: KnownBug) -> str:
    return f"mended in {'.'.join(map(str, bug.mended))}: " if bug.mended else ""


def _on_this_machine(server: Server) -> Version | None:
    path = shutil.which(server) or built(server)
    return module_version(path) if path else None
