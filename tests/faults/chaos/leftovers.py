"""What must be gone when no call is left: rooms, seats, ports, processes, undelivered events."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox import leash
from sandbox.ports import MEDIA_PORTS
from tests.faults.chaos.client import Client
from tests.faults.chaos.killing import Killer
from tests.kit.rooms_left import list_rooms

_SEATS: Final = re.compile(r"^telephony_worker_live_calls (\S+)$", re.MULTILINE)
_OPEN: Final = re.compile(r'^telephony_calls\{status="(\w+)"\} (\S+)$', re.MULTILINE)


async def leftovers(running: dict[str, Any], client: Client, killer: Killer) -> list[str]:
    """Name everything that a call left behind."""
    metrics = (await client.get("/metrics")).text
    seats = sum(float(count) for count in _SEATS.findall(metrics))
    still = {status: count for status, count in _OPEN.findall(metrics) if float(count)}
    found = [f"room {name}" for name in await list_rooms(running)]
    found += [f"{seats:.0f} seats of workers"] if seats else []
    found += [f"calls by the metrics: {still}"] if still else []
    found += [f"UDP port {port}" for port in ports_left(running)]
    found += processes_left(running, killer.processes())
    found += [f"events undelivered: {path.name}" for path in spooled(running)]
    return found


def ports_left(running: dict[str, Any]) -> list[int]:
    """Give the UDP ports of media that somebody still listens on."""
    base = urlsplit(str(running["api_url"])).port or 0
    media = range(base + MEDIA_PORTS.start, base + MEDIA_PORTS.stop)
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return sorted(
        port for port in (int(line.split()[1].split(":")[1], 16) for line in lines) if port in media
    )


def processes_left(running: dict[str, Any], processes: dict[str, int]) -> list[str]:
    """Name the processes of this sandbox that belong to none of its parts."""
    known = set(processes.values())
    return [
        f"process {pid}"
        for pid in leash.marked(_state(running))
        if _group(pid) not in known | {None}
    ]


def spooled(running: dict[str, Any]) -> list[Path]:
    """Give the files of events that no dialer has stored."""
    return list((Path(_state(running)) / "data" / "spool").glob("*/*.jsonl"))


def _state(running: dict[str, Any]) -> str:
    return str(Path(running["state_file"]).parent)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
