"""Run a dialer process: the API, its loops, or both."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import NoReturn

import structlog
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from dialer import failpoints, logs, migrations, taken_port
from dialer.adapters.database import async_url
from dialer.adapters.sqlite_owner import SecondDialer, SharedDisk, SqliteOwner
from dialer.admission.agents import AgentsFileError
from dialer.app import build, create_app, running
from dialer.settings import Settings
from telephony import garbage

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds. Streams that are still open are cut off after this.
_GRACE = 3
#: Units: seconds. Python's own choice is ten times as long.
_SWITCH_INTERVAL = 0.0005


def serve_api(settings: Settings, *, loops: bool) -> None:
    """Serve until told to stop."""
    owner = _prepare(settings)
    if (said := taken_port.obstacle(settings.api_host, settings.api_port)) is not None:
        _leave(f"{said[0].upper()}{said[1:]}: end that, or set API_PORT.")
    # Threads talk to SQLite for a busy event loop: each of their short turns waits this long.
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        app = create_app(settings, loops=loops)
    except AgentsFileError as error:
        _leave(str(error))
    garbage.spare_what_stays()
    try:
        uvicorn.run(
            app,
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
    finally:
        owner.release()


def serve_loops(settings: Settings) -> None:
    """Run the loops until told to stop."""
    owner = _prepare(settings)
    try:
        asyncio.run(_loops(settings))
    except AgentsFileError as error:
        _leave(str(error))
    finally:
        owner.release()


async def _loops(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    dialer = build(settings)
    garbage.spare_what_stays()
    async with running(dialer, loops=True):
        log.info("loops running")
        await stop.wait()


def _prepare(settings: Settings) -> SqliteOwner:
    logs.configure(settings.log_level, settings.log_format)
    if settings.log_level == "DEBUG":
        log.warning("at this level the log may hold phone numbers and SDP")
    failpoints.arm(settings.failpoints_folder)
    owner = SqliteOwner(async_url(settings.database_url))
    try:
        owner.acquire()
    except (SecondDialer, SharedDisk) as error:
        _leave(str(error))
    _check_tables(settings)
    return owner


def _check_tables(settings: Settings) -> None:
    try:
        found, wanted = migrations.current(settings.database_url), migrations.head()
    except SQLAlchemyError:
        # It may come: /readyz tells of it until then.
        log.warning("database not reached at start")
        return
    if found != wanted:
        _leave(
            f"The database is at {found or 'nothing'} and this version needs {wanted}: "
            "run `dialer migrate`."
        )


def _leave(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(2)
