"""Run a compose file's services without containers: the same entrypoints, commands, environments.

What a container would see below a path (volumes, secrets, tmpfs, our image's /app) lies in a folder
here, and these paths are put in its place in commands and environments. A service sees the secrets
that it was given and no others.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from sandbox.folders import PROJECT
from sandbox.servers_build import LIVEKIT_SERVER, LIVEKIT_SIP, find
from tests.kit.until import until_sync

_OWN_IMAGE: Final = "telephony-gateway:"
_STOPS_WITHIN: Final = 30.0


def program(name: str) -> str:
    """Find a program beside this Python or on PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None, f"{name} is not installed; `make setup` installs it"
    return found


#: What the images call their programs, and where they are here.
_PROGRAMS: Final = {
    "/livekit-server": lambda: str(find(LIVEKIT_SERVER)),
    "livekit-sip": lambda: str(find(LIVEKIT_SIP)),
    "/bin/prometheus": lambda: program("prometheus"),
    "caddy": lambda: program("caddy"),
}


@dataclass
class Service:
    """One service of the file."""

    name: str
    spec: dict[str, Any]
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def log(self) -> Path:
        """Give the file with what it printed."""
        return self.folder / f"{self.name}.log"

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Give what stands here for which path in the container."""
        found: dict[str, Path] = {}
        for volume in self.spec.get("volumes", []):
            source = Path(volume["source"])
            named = self.folder / "volumes" / volume["source"]
            found[volume["target"]] = source if volume["type"] == "bind" else named
        for tmpfs in self.spec.get("tmpfs", []):
            target = tmpfs.partition(":")[0]
            found[target] = self.folder / "tmpfs" / self.name / target.strip("/").replace("/", "-")
        found["/run/secrets"] = self.folder / "given" / self.name
        if self.spec["image"].startswith(_OWN_IMAGE):
            found["/app"] = PROJECT
        return found

    @property
    def environment(self) -> dict[str, str]:
        """Give its environment, and of ours nothing but what an image has too."""
        told: dict[str, str | None] = self.spec["environment"]
        own = {name: self.here(value or "") for name, value in told.items()}
        path = f"{PROJECT}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), "PYTHONUNBUFFERED": "1", **own}

    @property
    def command(self) -> list[str]:
        """Give entrypoint and command."""
        entrypoint: list[str] = self.spec.get("entrypoint") or []
        words = entrypoint + (self.spec.get("command") or [])
        return [_PROGRAMS[word]() if word in _PROGRAMS else self.here(word) for word in words]

    def here(self, text: str) -> str:
        """Put paths of this machine in the place of the container's."""
        longest_first = sorted(self.paths, key=len, reverse=True)
        any_target = "|".join(re.escape(target) for target in longest_first)
        return re.sub(rf"(?<![\w./-])({any_target})(?=/|$)", lambda m: str(self.paths[m[1]]), text)

    def prepare(self, secrets: dict[str, Any]) -> None:
        """Make the folders, and give it its secrets as Docker would."""
        for source in self.paths.values():
            if not source.exists():
                source.mkdir(parents=True)
        given = self.paths["/run/secrets"]
        for granted in self.spec.get("secrets", []):
            name = granted["source"]
            target = given / name
            target.unlink(missing_ok=True)
            shutil.copyfile(secrets[name]["file"], target)

    def start(self, *more: str) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *more],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def finish(self, timeout: float = 120) -> int:
        """Wait for its end, and give its status."""
        assert self.process is not None
        return self.process.wait(timeout)

    def healthy(self) -> bool:
        """Ask its own health check."""
        assert self.process is not None and self.process.poll() is None, self.told()
        kind, *words = self.spec["healthcheck"]["test"]
        command = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
        done = subprocess.run(
            [self.here(word.replace("$$", "$")) for word in command],
            env=self.environment,
            capture_output=True,
            timeout=30,
        )
        return done.returncode == 0

    def until_healthy(self, timeout: float = 30) -> None:
        """Wait until its health check says so."""
        until_sync(self.healthy, timeout, every=0.3, what=f"{self.name} is healthy; see {self.log}")

    def told(self) -> str:
        """Give the end of what it printed."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def stop(self) -> None:
        """Stop it as Docker does, but with little patience."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


@dataclass
class Services:
    """All services of a project, of which some run."""

    project: dict[str, Any]
    folder: Path
    running: list[Service] = field(default_factory=list[Service])

    def __getitem__(self, name: str) -> Service:
        found = Service(name, self.project["services"][name], self.folder)
        found.prepare(self.project["secrets"])
        return found

    def start(self, name: str) -> Service:
        """Start a service and wait until it is healthy."""
        service = self[name]
        self.running.append(service)
        service.start()
        service.until_healthy()
        return service

    def run(self, name: str, *more: str) -> str:
        """Run a service that ends by itself, with words of its own if any; give its output."""
        service = self[name]
        if more:
            service.spec = {**service.spec, "command": list(more)}
        before = service.log.stat().st_size if service.log.exists() else 0
        service.start()
        status = service.finish()
        assert status == 0, f"{name} ended with {status}: {service.told()}"
        with service.log.open("rb") as log:
            log.seek(before)
            return log.read().decode()

    def stop(self) -> None:
        """Stop what runs, the last one first."""
        for service in reversed(self.running):
            service.stop()
