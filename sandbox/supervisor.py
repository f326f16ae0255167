"""Bring the sandbox up in order, keep it up, take it down without a trace."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import IO, Any, Final

from sandbox import (
    certificates,
    leash,
    ports,
    probes,
    processes,
    secrets_kept,
    servers_build,
)
from sandbox.description import Description
from sandbox.folders import Folders
from sandbox.options import FALLBACK, NAMES, SECOND, Options
from sandbox.prepared import prepare
from sandbox.processes import Plan
from sandbox.settings import Settings
from sandbox.supervised import Spec, Supervised
from sandbox.watched import Watcher

Announce = Callable[[str], None]
_READY_WITHIN: Final = 300.0
_TICK: Final = 4.0
#: What needs the database, a key and tokens; the others can start before these are there.
_OUR_OWN: Final = ("api", "api-2", "loops", "loops-2", "worker", "worker-2", "worker-fallback")
_ALL: Final = (*NAMES, *SECOND, *FALLBACK)
#: Ended in this order, so that calls end as calls and not as lost connections.
_FIRST_DOWN: Final = (
    {"worker", "worker-2", "worker-fallback"},
    {"api", "api-2", "loops", "loops-2"},
)


class CannotStart(Exception):
    """The sandbox cannot start; the message says why in a sentence."""


class Supervisor:
    """One running sandbox."""

    def __init__(self, plan: Plan, announce: Announce) -> None:
        self._plan = plan
        self._announce = announce
        self._watcher = Watcher(plan.folders)
        self._kept: list[Supervised] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._description = Description(plan)
        self._missing = "the database"

    @property
    def description(self) -> dict[str, Any]:
        """Give what sandbox.json holds."""
        return self._description.content

    async def start(self) -> None:
        """Start everything and wait until all of it is ready.

        Errors: CannotStart, NotPrepared, NeverReady.
        """
        self._watcher.begin()
        self._tasks.append(asyncio.create_task(self._guard_watcher()))
        self._begin([name for name in _ALL if name not in _OUR_OWN])
        telling = asyncio.create_task(self._tell_progress())
        try:
            await self._or_failure(self._until_ready(), within=_READY_WITHIN)
        except TimeoutError as error:
            raise CannotStart(
                f"not ready after {_READY_WITHIN:.0f} s: {self._lacking()}"
            ) from error
        finally:
            telling.cancel()
        self._write()

    async def watch(self) -> None:
        """Keep everything running until cancelled; raises when it no longer can."""
        await self._or_failure(asyncio.Event().wait(), within=None)

    async def stop(self) -> None:
        """End everything, and make sure of it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for names in (*_FIRST_DOWN, {*_ALL}):
            await asyncio.gather(*(k.stop() for k in self._kept if k.spec.name in names))
        await asyncio.to_thread(leash.end_marked, str(self._plan.folders.state))
        await asyncio.to_thread(self._watcher.end)

    def _begin(self, names: Iterable[str]) -> None:
        specs = [processes.spec(self._plan, name) for name in names if self._plan.runs(name)]
        begun = [self._supervised(spec) for spec in specs]
        self._kept += begun
        self._write()
        self._tasks += [asyncio.create_task(self._in_order(kept)) for kept in begun]

    async def _prepare_dialer(self) -> None:
        plan, kept = self._plan, self._plan.kept
        if not plan.runs("api"):
            return
        self._announce("preparing the database")
        made = await prepare(plan, key=not kept.api_key)
        kept.api_key = made.api_key or kept.api_key
        kept.worker_tokens = made.worker_tokens
        self.description["api_key"] = kept.api_key
        self.description["console_url"] = made.console_url
        secrets_kept.save(plan.folders.data / "secrets.json", kept)

    def _supervised(self, spec: Spec) -> Supervised:
        log = self._plan.folders.log_of(spec.name)
        log.unlink(missing_ok=True)
        held = self._plan.folders.held / spec.name
        return Supervised(spec, self._watcher, log, held, self._announce, self._write)

    async def _in_order(self, kept: Supervised) -> None:
        for other in self._kept:
            if other.spec.name in kept.spec.after:
                await other.ready.wait()
        await kept.keep()

    async def _until_ready(self) -> None:
        await self._prepare_dialer()
        self._begin(_OUR_OWN)
        for kept in self._kept:
            await kept.ready.wait()
        if self._plan.runs("api"):
            await self._until_whole()

    async def _until_whole(self) -> None:
        # Without a worker the API says that it is not ready, and it is right.
        if not self._plan.runs("worker") and not self._plan.runs("worker-2"):
            return
        ask = probes.http(f"{self._plan.api_url}/readyz")
        while (missing := await ask()) is not None:
            self._missing = f"the API ({missing})"
            await asyncio.sleep(0.1)

    async def _tell_progress(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            self._announce(f"waiting for {self._lacking()} ({time.monotonic() - began:.0f} s)")

    def _lacking(self) -> str:
        names = [kept.spec.name for kept in self._kept if not kept.ready.is_set()]
        return ", ".join(names) or self._missing

    async def _or_failure(self, wanted: Any, *, within: float | None) -> None:
        task: asyncio.Task[Any] = asyncio.ensure_future(wanted)
        try:
            done, _ = await asyncio.wait(
                [task, *self._tasks], timeout=within, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                raise TimeoutError
            for ended in done:
                ended.result()
        finally:
            task.cancel()

    async def _guard_watcher(self) -> None:
        while True:
            await asyncio.sleep(1)
            if self._watcher.gone():
                self._announce("the watcher died; starting another one")
                groups = [kept.pid for kept in self._kept if kept.pid is not None]
                await asyncio.to_thread(self._watcher.begin_again, groups)

    def _write(self) -> None:
        running = {kept.spec.name: kept.pid for kept in self._kept if kept.pid is not None}
        self._description.write(running)


@asynccontextmanager
async def sandbox(options: Options, announce: Announce) -> AsyncGenerator[Supervisor]:
    """Run a sandbox: all of it is ready inside, and none of it is left after.

    Errors: CannotStart when another one runs in this folder, a port is taken or a server missing.
    """
    folders = Folders(options.state)
    folders.make()
    with _OnlyOne(folders):
        leash.end_marked(str(folders.state))
        plan = _plan(options, folders, announce)
        supervisor = Supervisor(plan, announce)
        try:
            await supervisor.start()
            yield supervisor
        finally:
            announce("stopping")
            await asyncio.shield(supervisor.stop())
            folders.description.unlink(missing_ok=True)
            plan.ports.release()


def _plan(options: Options, folders: Folders, announce: Announce) -> Plan:
    for old in (folders.run, folders.held):
        shutil.rmtree(old, ignore_errors=True)
    folders.make()
    database = folders.data / "telephony.db"
    try:
        _check_programs(options, announce)
        claimed = ports.claim(options.port_base, via=options.via)
    except (ports.PortsTaken, servers_build.ServerMissing) as error:
        raise CannotStart(str(error)) from error
    secrets_file = folders.data / "secrets.json"
    exists = database.exists() and options.database_url is None
    kept = secrets_kept.load(secrets_file, database_exists=exists)
    secrets_kept.save(secrets_file, kept)
    plan = Plan(options, folders, claimed, kept, Settings())
    _make_certificates(plan)
    return plan


def _make_certificates(plan: Plan) -> None:
    if plan.options.tls is None:
        return
    try:
        plan.authority.make()
        for name in ("carrier", "livekit-sip", "livekit-sip-2"):
            plan.authority.issue(name)
    except certificates.NoCertificate as error:
        plan.ports.release()
        raise CannotStart(str(error)) from error


def _check_programs(options: Options, announce: Announce) -> None:
    if "redis" not in options.without and shutil.which("redis-server") is None:
        raise CannotStart("redis-server is missing; run: make setup")
    if "livekit-server" not in options.without:
        servers_build.find(servers_build.LIVEKIT_SERVER)
    if "livekit-sip" not in options.without:
        bridge = servers_build.find(servers_build.LIVEKIT_SIP)
        version = servers_build.version_of(bridge, servers_build.LIVEKIT_SIP)
        if warning := servers_build.check_sip(version):
            announce(f"warning: {warning}")
    if "carrier" not in options.without:
        servers_build.build_carrier()


class _OnlyOne:
    """Hold the folder's lock.

    Errors: CannotStart, naming the other's pid.
    """

    def __init__(self, folders: Folders) -> None:
        self._path = folders.lock
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            pid = self._file.read().strip() or "unknown"
            self._file.close()
            raise CannotStart(f"a sandbox runs in this folder already (pid {pid})") from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
