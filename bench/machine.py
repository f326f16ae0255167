"""On what, with what and when a run was made."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sandbox import servers_build
from sandbox.folders import PROJECT

_PACKAGES = ("livekit-agents", "livekit", "livekit-plugins-openai", "livekit-plugins-silero")


def describe(command: str) -> dict[str, str]:
    """Tell the machine, the versions and the command; what cannot be told is left out."""
    told = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "commit": _commit(),
        "machine": f"{_cpu()}, {os.cpu_count()} cores, {_memory()} GB",
        "system": f"{_system()}, Linux {platform.release()}, Python {platform.python_version()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
    for server in (servers_build.LIVEKIT_SERVER, servers_build.LIVEKIT_SIP):
        told[server.name] = servers_build.version_of(servers_build.find(server), server) or ""
    told.update({package: version(package) for package in _PACKAGES})
    return {name: value for name, value in told.items() if value}


def _commit() -> str:
    def git(*arguments: str) -> str:
        asked = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True)
        return asked.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short=12", "HEAD") + changed


def _cpu() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
