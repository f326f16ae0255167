"""The processes of a running sandbox: who they are, and what can be done to them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from tests.kit.until import until_sync

_ABLE: Final = re.compile(r'^telephony_workers\{state="ready"\} (\S+)$', re.MULTILINE)


def processes(running: dict[str, Any]) -> dict[str, int]:
    """Read who runs now: the file is kept true across restarts."""
    return json.loads(Path(running["state_file"]).read_text())["processes"]


def ready(running: dict[str, Any]) -> bool:
    """Say whether a call could be placed and dialled now."""
    try:
        return httpx.get(f"{running['api_url']}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def until_workers(running: dict[str, Any], count: int = 2, timeout: float = 60) -> None:
    """Wait until so many workers take calls, and calls can be placed."""
    until_sync(
        lambda: ready(running) and able_workers(running) >= count,
        timeout,
        what=f"{count} workers take calls",
    )


def able_workers(running: dict[str, Any]) -> int:
    """Count the workers that take calls, as the dialer sees them."""
    headers = {"Authorization": f"Bearer {running['api_key']}"}
    try:
        told = httpx.get(f"{running['api_url']}/metrics", headers=headers, timeout=5).text
    except httpx.HTTPError:
        return 0
    found = _ABLE.search(told)
    return int(float(found[1])) if found else 0


def times_ready(running: dict[str, Any], name: str) -> int:
    """Count how often the sandbox found a process ready; a new pid alone is not healthy yet."""
    printed = Path(running["state_file"]).parent / "printed.log"
    return printed.read_text(errors="replace").count(f" {name} is ready")


@contextmanager
def held(running: dict[str, Any], *names: str) -> Generator[None]:
    """Keep processes that end from being started again until the block ends, and until ready."""
    folder = Path(running["state_file"]).parent / "held"
    before = {name: times_ready(running, name) for name in names}
    for name in names:
        (folder / name).touch()
    try:
        yield
    finally:
        for name in names:
            (folder / name).unlink()
    until_sync(
        lambda: all(times_ready(running, name) > before[name] for name in names),
        120,
        what=f"{names} are ready again",
    )


def kill(running: dict[str, Any], name: str, timeout: float = 40) -> None:
    """Kill a process for good and wait until another one of its name is ready."""
    before = processes(running)[name]
    os.kill(before, signal.SIGKILL)
    until_back(running, name, before, timeout)


def until_back(running: dict[str, Any], name: str, before: int, timeout: float = 40) -> None:
    """Wait until another process than ``before`` bears the name and calls can be placed."""
    until_sync(
        lambda: processes(running).get(name) not in {None, before} and ready(running),
        timeout,
        what=f"{name} is back",
    )


@contextmanager
def frozen(pids: Iterable[int]) -> Generator[None]:
    """Stop processes as if the network to them were cut, and let them go on in every case."""
    stopped: list[int] = []
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def children(parent: int) -> list[int]:
    """Give the processes that a process started and that run."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            # The name in parentheses may hold spaces; state and parent follow it.
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            if entry.name.isdigit() and int(stat[1]) == parent:
                found.append(int(entry.name))
    return found
