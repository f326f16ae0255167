"""The processes of a running sandbox: who they are, and what can be done to them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.kit.until import until_sync


def processes(running: dict[str, Any]) -> dict[str, int]:
    """Read who runs now: the file is kept true across restarts."""
    return json.loads(Path(running["state_file"]).read_text())["processes"]


def ready(running: dict[str, Any]) -> bool:
    """Say whether a call could be placed and dialled now."""
    try:
        return httpx.get(f"{running['api_url']}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


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
