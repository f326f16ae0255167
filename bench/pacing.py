"""A trunk's pace with several dispatching processes: is it kept, and how much of it is used?

The moments are those of the tokens that permits need, by the clock of the Redis that gives them
to all processes: one clock, at the place where it is decided that an INVITE may leave. Beside them
stand the moments at which the askers had their permits, which is when their INVITEs would leave.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bench.api_throughput import key_of
from bench.pacing_dialer import SEATS
from bench.stage import say
from bench.statistics import most_within, share_used
from dialer.adapters import redis_client
from dialer.calls.joining import Rules
from dialer.routing.trunk import OUTBOUND
from sandbox.folders import PROJECT
from sandbox.settings import inherited
from tests.kit import postgres
from tests.kit.servers import redis_server

DIALERS: Final = 4
#: Calls a second, for how many seconds, and how many agents may be on their way at once, whatever
#: the pace: the dialer's own bound, and none where that bound would be what is measured.
LEVELS: Final = ((1, 40.0, 4), (5, 20.0, 4), (20, 15.0, 4), (20, 15.0, 1000))
_QUICK: Final = 8.0
_SECOND: Final = 1_000_000.0
_READY_WITHIN: Final = 120.0
_ENDS_WITHIN: Final = 60.0
#: Units: seconds. Redis keeps a token for one.
_LOOK_EVERY: Final = 0.2


class Tokens:
    """What Redis gave out for INVITEs; a look at it changes nothing."""

    def __init__(self, redis_url: str, deployment: str) -> None:
        self._redis: Any = redis_client.connect(redis_url)
        self._key = f"telephony:{deployment}:pace:tokens:{OUTBOUND}:invite"
        #: By token, in microseconds of Redis's clock.
        self.given: dict[str, float] = {}

    async def look(self) -> None:
        """Note what is new."""
        self.given |= dict(await self._redis.zrange(self._key, 0, -1, withscores=True))

    async def watch(self) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_EVERY)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._redis.aclose()


async def measure(folder: Path, *, quick: bool) -> list[dict[str, Any]]:
    """Measure each pace, one after another."""
    redis = redis_server(folder)
    await asyncio.to_thread(redis.start)
    url, found = f"redis://127.0.0.1:{redis.port}/0", list[dict[str, Any]]()
    try:
        with postgres.server() as server:
            for cps, seconds, joining in LEVELS:
                with postgres.fresh_database(server) as database:
                    given = {"DATABASE_URL": database, "REDIS_URL": url}
                    seconds = min(seconds, _QUICK) if quick else seconds
                    found.append(await _at(folder, given, cps, seconds, joining))
                say(told(found[-1]))
    finally:
        redis.stop()
    return found


async def _at(
    folder: Path, given: dict[str, str], cps: int, seconds: float, joining: int
) -> dict[str, Any]:
    environment = {**given, **_settings(f"pace{cps}x{joining}", cps)}
    key = await key_of(given["DATABASE_URL"])
    # More than can leave within the time: work waits until the end.
    share = math.ceil((cps * (seconds + 4) + 10) / DIALERS)
    tokens = Tokens(given["REDIS_URL"], environment["DEPLOYMENT"])
    log = folder / f"pacing-{cps}-{joining}.log"
    log.unlink(missing_ok=True)
    arguments = (key, str(share), str(seconds), str(joining))
    async with _dialers(log, environment, *arguments) as dialers:
        await asyncio.gather(*(_ready(dialer, log) for dialer in dialers))
        watching = asyncio.create_task(tokens.watch())
        try:
            results = await asyncio.gather(*(_dispatched(d, seconds, log) for d in dialers))
            if watching.done():
                watching.result()
        finally:
            watching.cancel()
            await tokens.aclose()
    found = summary(cps, seconds, sorted(tokens.given.values()), results)
    rules = Rules(agent_name="", joining_at_once=joining)
    return {**found, "joining": rules.at_once(cps=cps, seats=DIALERS * SEATS)}


def _settings(deployment: str, cps: int) -> dict[str, str]:
    return {
        # Nobody is there: what the dialers would ask of LiveKit has a stand-in.
        "LIVEKIT_URL": "ws://127.0.0.1:1",
        "LIVEKIT_API_KEY": "bench",
        "LIVEKIT_API_SECRET": "livekit-secret-of-the-benchmark-32-and-more",
        "TOKEN_SECRET": "token-secret-of-the-benchmark-32-and-more",
        "SIP_TRUNK_ADDRESS": "127.0.0.1:5070",
        "SIP_CALLER_IDS": "+14155550190",
        "SIP_TRUNK_CPS": str(cps),
        "AGENTS_FILE": str(PROJECT / "agents.yaml"),
        "DEPLOYMENT": deployment,
        "MAX_QUEUED_CALLS": "10000000",
    }


def summary(
    cps: int, seconds: float, tokens: list[float], results: list[dict[str, Any]]
) -> dict[str, Any]:
    """Put together what one pace came to.

    Units: moments in microseconds since the first token. Shape: ``waiting`` is what still waited in
    the end; ``most`` and ``share`` are of the tokens, ``most_had`` of the permits as they arrived;
    ``cores`` is what the dialers used of the machine.
    """
    had = sorted(moment * _SECOND for result in results for moment in result["granted"])
    first = tokens[0] if tokens else 0.0
    return {
        "cps": cps,
        "dialers": len(results),
        "seconds": seconds,
        "tokens": len(tokens),
        "most": most_within(tokens, _SECOND),
        "share": share_used(tokens, cps, _SECOND),
        "most_had": most_within(had, _SECOND),
        "share_had": share_used(had, cps, _SECOND),
        "refused": sum(result["refused"] for result in results),
        "waiting": sum(result["placed"] for result in results) - len(tokens),
        "cores": sum(result["cpu"] for result in results) / seconds,
        "moments": [moment - first for moment in tokens],
        "moments_had": [round(moment - first) for moment in had],
    }


def told(level: dict[str, Any]) -> str:
    """Put a pace into a line."""
    share = "-" if level["share"] is None else f"{level['share']:.1%}"
    return (
        f"{level['cps']} a second: {level['tokens']} permits, at most {level['most']} in a second "
        f"(as they arrived: {level['most_had']}), {share} used, {level['waiting']} still waited"
    )


@asynccontextmanager
async def _dialers(
    log: Path, environment: dict[str, str], *arguments: str
) -> AsyncGenerator[list[asyncio.subprocess.Process]]:
    started: list[asyncio.subprocess.Process] = []
    try:
        with log.open("ab") as errors:
            for _ in range(DIALERS):
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "bench.pacing_dialer",
                    *arguments,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=errors,
                    cwd=PROJECT,
                    env={**inherited(), **environment},
                    # The moments of a long run are one line.
                    limit=16 * 1024 * 1024,
                )
                started.append(process)
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ready(dialer: asyncio.subprocess.Process, log: Path) -> None:
    assert dialer.stdout is not None
    line = await asyncio.wait_for(dialer.stdout.readline(), _READY_WITHIN)
    if line.strip() != b"ready":
        raise RuntimeError(f"a dialer is not ready:\n{log.read_text()[-2000:]}")


async def _dispatched(
    dialer: asyncio.subprocess.Process, seconds: float, log: Path
) -> dict[str, Any]:
    out, _ = await asyncio.wait_for(dialer.communicate(b"go\n"), seconds + _ENDS_WITHIN)
    if dialer.returncode != 0:
        raise RuntimeError(f"a dialer failed:\n{log.read_text()[-2000:]}")
    return json.loads(out)
