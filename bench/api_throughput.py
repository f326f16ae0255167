"""POST /calls, durable, at fifty in flight, against the same application with the route emptied."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from bench import history
from bench.road import wait_for
from bench.stage import Stage, answers, say, start
from dialer import migrations
from dialer.adapters.database import Database
from dialer.tenants.keys import Keys
from sandbox.folders import PROJECT
from telephony.call import DEFAULT_TENANT
from tests.kit import postgres
from tests.kit.servers import free_port

_IN_FLIGHT: Final = 50
_ROUNDS: Final = 3
#: The product's own MAX_QUEUED_CALLS.
_QUEUE: Final = 1000
_PATIENCE: Final = 30.0


async def measure(stage: Stage, *, seconds: float) -> list[dict[str, Any]]:
    """Measure on SQLite and on Postgres, the two applications in turn."""
    found: list[dict[str, Any]] = []
    path = stage.folder / "throughput.db"
    path.unlink(missing_ok=True)
    found += await _on(stage, "SQLite", f"sqlite:///{path}", seconds)
    with _postgres() as (url, durable):
        say(f"Postgres: {durable}")
        found += await _on(stage, "Postgres", url, seconds)
        found.append(await _turned_away(stage, "Postgres", url, seconds))
    found.append(await _turned_away(stage, "SQLite", f"sqlite:///{path}", seconds))
    return found


async def _turned_away(stage: Stage, database: str, url: str, seconds: float) -> dict[str, Any]:
    """Measure the refusal of a queue that is full: more wait there than may since the rounds."""
    key = await key_of(url)
    async with _serving(stage, url, ("dialer", "api"), "full", queued=_QUEUE) as full:
        await _load(f"{full}/calls", key, 1.0)
        told = await _load(f"{full}/calls", key, seconds)
    if told["statuses"].keys() != {"429"}:
        raise RuntimeError(f"the queue was not full: {told['statuses']}")
    say(f"{database}, turned away: {told['per_second']:.0f}/s, p95 {told['p95_ms']:.1f} ms")
    return {"database": database, "kind": "turned away", **told}


@contextmanager
def _postgres() -> Generator[tuple[str, str]]:
    with postgres.server() as server, postgres.fresh_database(server) as url:
        with psycopg.connect(url) as connection:
            told = [
                f"{name} {row[0]}"
                for name in ("server_version", "fsync", "synchronous_commit")
                if (row := connection.execute(f"SHOW {name}".encode()).fetchone()) is not None
            ]
        yield url, ", ".join(told)


async def _on(stage: Stage, database: str, url: str, seconds: float) -> list[dict[str, Any]]:
    await asyncio.to_thread(migrations.upgrade, url)
    held = await asyncio.to_thread(history.write, url)
    say(f"{database} holds {held:,} ended calls")
    spare = _migrated(stage)
    key, other = await key_of(url), await key_of(spare)
    found: list[dict[str, Any]] = []
    async with (
        _serving(stage, url, ("dialer", "api"), "durable") as durable,
        _serving(stage, spare, ("bench.empty_api",), "empty") as empty,
    ):
        routes = {
            "durable": (f"{durable}/calls", key),
            "emptied": (f"{empty}/calls", other),
            "bare": (f"{empty}/bare", other),
        }
        for number in range(_ROUNDS + 1):
            for kind, (route, opens) in routes.items():
                told = await _load(route, opens, 1.0 if number == 0 else seconds)
                if number == 0:  # warming up
                    continue
                found.append({"database": database, "kind": kind, **told})
                say(
                    f"{database}, {kind}: {told['per_second']:.0f}/s, p95 {told['p95_ms']:.1f} ms,"
                    f" generator at {told['cpu_share']:.0%} of a core, {told['statuses']}"
                )
    return found


def _migrated(stage: Stage) -> str:
    path = stage.folder / "empty.db"
    path.unlink(missing_ok=True)
    url = f"sqlite:///{path}"
    migrations.upgrade(url)
    return url


async def key_of(url: str) -> str:
    """Make a key in a database."""
    database = Database(url)
    try:
        async with database.transaction() as tx:
            made = await Keys(tx, DEFAULT_TENANT).create("bench", now=datetime.now(UTC), life=None)
            return made.secret
    finally:
        await database.close()


@asynccontextmanager
async def _serving(
    stage: Stage,
    database_url: str,
    command: tuple[str, ...],
    deployment: str,
    *,
    queued: int = 10_000_000,
) -> AsyncGenerator[str]:
    port = free_port()
    environment = {
        **stage.livekit,
        "DATABASE_URL": database_url,
        "REDIS_URL": stage.description["redis_url"],
        "TOKEN_SECRET": "token-secret-of-the-benchmark-32-and-more",
        "SIP_TRUNK_ADDRESS": stage.description["carrier_address"],
        "SIP_CALLER_IDS": "+14155550190",
        "AGENTS_FILE": str(PROJECT / "agents.yaml"),
        "API_PORT": str(port),
        # A deployment of its own: no worker is there, and every call waits.
        "DEPLOYMENT": f"bench{deployment}"[:16],
        "MAX_QUEUED_CALLS": str(queued),
    }
    process = await start(command, stage.folder / f"api-{deployment}.log", environment)
    base = f"http://127.0.0.1:{port}"
    try:
        await wait_for(lambda: answers(stage.http, f"{base}/healthz"), 30, f"{command} answers")
        yield base
    finally:
        await process.stop()


async def _load(url: str, key: str, seconds: float) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.load_generator",
        url,
        key,
        str(_IN_FLIGHT),
        str(seconds),
        stdout=asyncio.subprocess.PIPE,
        cwd=PROJECT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), seconds + _PATIENCE)
    except BaseException:
        process.kill()
        raise
    return json.loads(out)
