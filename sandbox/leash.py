"""The watcher: ends every process of a sandbox when the supervisor is gone, however it went.

It is a process of its own and reads a pipe whose other end only the supervisor holds. Each process
of the sandbox writes its group into that pipe before it becomes what it is, so that there is no
moment in which a process runs and is not known. When the pipe closes, what is left is ended. A
second net: every process carries a mark in its environment, which also finds grandchildren that
left their group.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK: Final = "TELEPHONY_SANDBOX"
_POLITE_SECONDS: Final = 2.0


def main(arguments: list[str]) -> None:
    """Watch: state folder, file to lock, file to remove, pid of the supervisor, groups known."""
    state, lock, description, supervisor, *known = arguments
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with suppress(BrokenPipeError):  # the supervisor may be gone by now
            print("watching", flush=True)
        groups = {int(group) for group in known}
        for line in sys.stdin.buffer:
            number = int(line)
            (groups.add if number > 0 else groups.discard)(abs(number))
        end_all(groups, state)
        forget(Path(description), int(supervisor))


def end_all(groups: Iterable[int], state: str) -> None:
    """End the groups and whatever carries the mark: politely first, so that phones get a BYE."""
    remaining = set(groups)
    _signal(remaining, signal.SIGINT)
    _until(lambda: not _alive(remaining) and not marked(state), _POLITE_SECONDS)
    _until(lambda: _killed(remaining, state), 10.0)


def end_marked(state: str) -> None:
    """Kill what carries the mark of this sandbox."""
    _until(lambda: _killed(set(), state), 10.0)


def marked(state: str) -> list[int]:
    """Give the processes that were started with the mark of this sandbox."""
    mark = f"{MARK}={state}".encode()
    return [int(entry.name) for entry in Path("/proc").iterdir() if _carries(entry, mark)]


def forget(description: Path, supervisor: int) -> None:
    """Remove the sandbox's description when it is still that supervisor's."""
    try:
        if json.loads(description.read_text())["pid"] == supervisor:
            description.unlink()
    except (OSError, ValueError, KeyError):
        pass


def _carries(entry: Path, mark: bytes) -> bool:
    if not entry.name.isdigit():
        return False
    try:
        return mark in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _killed(groups: set[int], state: str) -> bool:
    left = marked(state)
    _signal(groups, signal.SIGKILL)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    return not left and not _alive(groups)


def _signal(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        try:
            os.killpg(group, number)
        except OSError:
            continue


def _alive(groups: set[int]) -> bool:
    return any(group_alive(group) for group in groups)


def group_alive(group: int) -> bool:
    """Tell whether any process of the group runs; one that only waits to be reaped does not."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return any(_runs_in(entry, group) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _runs_in(entry: Path, group: int) -> bool:
    try:
        # The name in parentheses may hold spaces; state and group follow it.
        state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return int(its_group) == group and state != "Z"


def _until(done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1:])
