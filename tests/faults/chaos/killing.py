"""Kill a process of the sandbox and see when the gateway is whole again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, LiteralString

import httpx
import psycopg

from tests.kit.until import until

#: The witnesses: the carrier's record must outlive the round; models are no part of the gateway.
SPARED: Final = frozenset({"carrier", "speech"})
#: The name under which the database's URL is given and it is told of, where it is a Postgres.
POSTGRES: Final = "postgres"
_SOME_BACKEND: Final = (
    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND pid <> pg_backend_pid() ORDER BY backend_start DESC LIMIT 1"
)
#: Units: seconds.
_BACK_WITHIN: Final = 90.0


@dataclass(slots=True)
class Killed:
    """A kill that was done; ``recovered_after`` is None where it never came back."""

    name: str
    pid: int
    at: datetime
    recovered_after: float | None = None


class Killer:
    """Kills, and watches over recoveries."""

    def __init__(self, running: dict[str, Any], urls: list[str]) -> None:
        self._state_file = Path(running["state_file"])
        self._postgres: str | None = running.get(POSTGRES)
        self._urls = urls
        self.done: list[Killed] = []
        self._recoveries: list[asyncio.Task[None]] = []

    def processes(self) -> dict[str, int]:
        """Read who runs now."""
        return json.loads(self._state_file.read_text())["processes"]

    def targets(self) -> list[str]:
        """Name what may be killed, in an order that does not depend on the moment."""
        ours = self.processes().keys() - SPARED
        return sorted(ours | {POSTGRES} if self._postgres else ours)

    async def kill(self, draw: float, targets: list[str]) -> Killed:
        """Kill the drawn process for good; one that is just being started again is waited for."""
        name = targets[int(draw * len(targets))]
        pid = await until(lambda: self._pid(name), _BACK_WITHIN, what=f"{name} runs")
        os.kill(pid, signal.SIGKILL)
        killed = Killed(name, pid, datetime.now(UTC))
        self.done.append(killed)
        self._recoveries.append(asyncio.create_task(self._recovery(killed)))
        return killed

    def _pid(self, name: str) -> int | None:
        if name != POSTGRES:
            return self.processes().get(name)
        # Postgres ends all of its processes when one of them was killed, and recovers from its log.
        with contextlib.suppress(psycopg.OperationalError):
            return _ask(str(self._postgres), _SOME_BACKEND)
        return None

    def _is_back(self, killed: Killed) -> bool:
        if killed.name != POSTGRES:
            return self.processes().get(killed.name) not in {None, killed.pid}
        with contextlib.suppress(psycopg.OperationalError):
            return _ask(str(self._postgres), "SELECT 1") == 1
        return False

    async def begin(self) -> None:
        """Wait until the gateway is whole, as an earlier story may have left it otherwise."""
        async with httpx.AsyncClient(timeout=3, trust_env=False) as http:
            await until(lambda: self._ready(http), _BACK_WITHIN, every=0.2, what="it is ready")

    async def whole(self) -> list[str]:
        """Wait until everything is back; name what is not."""
        await asyncio.gather(*self._recoveries)
        return [
            f"{killed.name} did not recover" for killed in self.done if not killed.recovered_after
        ]

    async def _recovery(self, killed: Killed) -> None:
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=3, trust_env=False) as http:
            while time.monotonic() - began < _BACK_WITHIN:
                if self._is_back(killed) and await self._ready(http):
                    killed.recovered_after = time.monotonic() - began
                    return
                await asyncio.sleep(0.2)

    async def _ready(self, http: httpx.AsyncClient) -> bool:
        try:
            answers = [await http.get(f"{url}/readyz") for url in self._urls]
        except httpx.HTTPError:
            return False
        return all(answer.status_code == 200 for answer in answers)


def _ask(url: str, question: LiteralString) -> int | None:
    with psycopg.connect(url, connect_timeout=3) as connection:
        row = connection.execute(question).fetchone()
    return None if row is None else int(row[0])
