"""What both roads stand on: one set of servers, one carrier, one set of models."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from bench.callee import Callees
from bench.road import wait_for
from sandbox.folders import PROJECT
from sandbox.settings import inherited
from tests.kit.running import sandbox
from tests.kit.servers import free_port

_WITHOUT: Final = "speech,worker,worker-2"
_STOPS_WITHIN: Final = 30.0


class Started:
    """A process of ours, in a session of its own."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def pid(self) -> int:
        """Give its id, which is its group's too."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether it is there."""
        return self._process.returncode is None

    async def stop(self) -> None:
        """Ask it to stop, twice, and then end it and all of its group."""
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _STOPS_WITHIN / 3)
                break
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self.pid, number)


async def start(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Started:
    """Start a Python module with arguments, its output in the log."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=PROJECT,
            env={**inherited(), "PYTHONUNBUFFERED": "1", **(environment or {})},
            start_new_session=True,
        )
    return Started(process, log)


@dataclass
class Stage:
    """The running servers.

    Shape: ``description`` is the sandbox's own (sandbox.json), ``secrets`` what it keeps.
    """

    folder: Path
    description: dict[str, Any]
    secrets: dict[str, Any]
    models_url: str
    callees: Callees
    http: httpx.AsyncClient = field(repr=False)

    @property
    def livekit(self) -> dict[str, str]:
        """Give the environment that tells a worker where LiveKit is."""
        told = self.description
        return {
            "LIVEKIT_URL": told["livekit_url"],
            "LIVEKIT_API_KEY": told["livekit_api_key"],
            "LIVEKIT_API_SECRET": told["livekit_api_secret"],
        }

    @property
    def servers(self) -> dict[str, int]:
        """Give the process ids of what both roads share."""
        return dict(self.description["processes"])

    async def model_requests(self) -> list[dict[str, Any]]:
        """Give what the models were asked since forget_requests()."""
        return (await self.http.get(f"{self._models}/requests")).json()

    async def forget_requests(self) -> None:
        """Begin a new book of requests."""
        await self.http.delete(f"{self._models}/requests")

    @property
    def _models(self) -> str:
        return self.models_url.removesuffix("/v1")


@asynccontextmanager
async def stage(folder: Path) -> AsyncGenerator[Stage]:
    """Run the servers, without any worker, until the block ends."""
    state = folder / "sandbox"
    # Calls that an earlier run left waiting would be dialled now.
    for left in (state, folder / "spool", folder / "recordings"):
        shutil.rmtree(left, ignore_errors=True)
    state.mkdir(parents=True, exist_ok=True)
    running = sandbox(state, "--without", _WITHOUT)
    description = await asyncio.to_thread(running.__enter__)
    port = free_port()
    models = await start(("bench.models", "--port", str(port)), folder / "models.log")
    try:
        async with httpx.AsyncClient(timeout=20) as http:
            secrets = json.loads((state / "data" / "secrets.json").read_text())
            callees = Callees(description["carrier_control_url"])
            url = f"http://127.0.0.1:{port}/v1"
            ready = Stage(folder, description, secrets, url, callees, http)
            await wait_for(lambda: answers(http, f"{url}/models"), 20, "the models answer")
            yield ready
            await callees.aclose()
    finally:
        await models.stop()
        await asyncio.to_thread(running.__exit__, None, None, None)


async def answers(http: httpx.AsyncClient, url: str) -> bool:
    """Tell whether somebody answers there."""
    try:
        return (await http.get(url)).status_code < 500
    except httpx.HTTPError:
        return False


def say(line: str) -> None:
    """Show how far the run is."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
