"""The world around a server, in a network namespace of its own, at the other end of a cable."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

#: Where the world finds the server.
SERVER: Final = "203.0.113.1"
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass(frozen=True)
class World:
    """Who is outside; commands go there by ``inside``."""

    pid: int

    def inside(self, *command: str) -> list[str]:
        """Give a command that runs outside of the server."""
        return ["nsenter", f"--target={self.pid}", "--net", *command]


@contextmanager
def world(addresses: Iterable[str]) -> Generator[World]:
    """Have somebody at each of these addresses until the block ends.

    This process must be in a network namespace of its own already, and root there: ``unshare -rn``.
    """
    with subprocess.Popen(["unshare", "-n", "sleep", "600"]) as sleeper:
        try:
            there = World(sleeper.pid)
            _lay_cable(there, [*addresses])
            yield there
        finally:
            sleeper.kill()


def run(*command: str) -> str:
    """Run a system's command; gives what it printed."""
    environment = {**os.environ, "PATH": _PATH}
    done = subprocess.run(
        command,
        check=True,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    return done.stdout


def _lay_cable(there: World, addresses: list[str]) -> None:
    while os.readlink(f"/proc/{there.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "name", "inside0", "type", "veth", "peer", "name", "outside0")
    run("ip", "link", "set", "outside0", "netns", str(there.pid))
    run("ip", "address", "add", f"{SERVER}/32", "dev", "inside0")
    run("ip", "link", "set", "inside0", "up")
    for address in addresses:
        run("ip", "route", "add", f"{address}/32", "dev", "inside0", "src", SERVER)
        run(*there.inside("ip", "address", "add", f"{address}/32", "dev", "outside0"))
    run(*there.inside("ip", "link", "set", "outside0", "up"))
    run(*there.inside("ip", "route", "add", f"{SERVER}/32", "dev", "outside0"))
