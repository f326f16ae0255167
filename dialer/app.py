"""The composition root: the only file that builds adapters.

``build`` makes the real collaborators and loops from settings, ``assemble`` puts the routers over
any collaborators, and ``create_app`` does both and runs the loops as long as the application.
Routes get what they need from ``dialer.wiring``.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import Lifespan

from dialer import health, observe, openapi, problems
from dialer.adapters import redis_client
from dialer.adapters.database import Database
from dialer.adapters.livekit_rooms import LiveKitRooms
from dialer.adapters.livekit_session import LiveKitSession
from dialer.adapters.livekit_trunk import LiveKitTrunks
from dialer.adapters.livekit_webhooks import LiveKitWebhooks
from dialer.adapters.redis_pacing import RedisPacer
from dialer.adapters.redis_presence import RedisPresence
from dialer.adapters.redis_signals import RedisSignals
from dialer.admission import agents
from dialer.admission.limits import QueueLimit
from dialer.calls import routes as calls_routes
from dialer.calls.dispatch import Dispatcher
from dialer.calls.forget import Forgetting
from dialer.calls.joining import Collaborators, Rules
from dialer.calls.looping import ended
from dialer.calls.reap import Reaper
from dialer.calls.rescue import Rescuer
from dialer.console import routes as console_routes
from dialer.inbound import routes as inbound_routes
from dialer.inbound.unoffered import Unoffered
from dialer.ingest import routes as ingest_routes
from dialer.reading import BodyLimit
from dialer.routing.directory import Directory
from dialer.routing.keeper import TrunkKeeper
from dialer.routing.sealing import Sealing
from dialer.routing.store import TrunkStore
from dialer.settings import Settings
from dialer.tenants.tokens import Tokens
from dialer.wiring import Services
from dialer.workers import routes as workers_routes

__all__ = ["Dialer", "Services", "assemble", "build", "create_app", "running"]

VERSION = "0.1.0"

Loop = Callable[[], Coroutine[Any, Any, None]]

_DESCRIPTION = """Place phone calls that an AI agent holds.

`POST /calls` writes a call down and answers at once; the call's events tell the rest. Every request
needs `Authorization: Bearer` with an API key, but for those under *health* that say otherwise.
Errors are RFC 9457 problems with a stable `code`.
"""


@dataclass(frozen=True, slots=True)
class Dialer:
    """Everything of one dialer process.

    Shape: ``always`` runs in every process, ``loops`` where calls are dispatched and reaped;
    ``closing`` closes what is connected.
    """

    services: Services
    always: tuple[Loop, ...]
    loops: tuple[Loop, ...]
    closing: tuple[Loop, ...]

    async def close(self) -> None:
        """Close every connection."""
        for close in self.closing:
            await close()


def _now() -> datetime:
    return datetime.now(UTC)


def build(settings: Settings) -> Dialer:
    """Build every collaborator; nothing is connected yet.

    Errors: AgentsFileError when the agents file cannot be used.
    """
    key = settings.livekit_api_key
    secret = settings.livekit_api_secret.get_secret_value()
    redis = redis_client.connect(settings.redis_url)
    livekit = LiveKitSession(url=settings.livekit_url, api_key=key, api_secret=secret)
    signals = RedisSignals(redis, deployment=settings.deployment)

    async def ping_redis() -> None:
        async with redis_client.translated():
            await redis.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]

    database = Database(settings.database_url)
    kept = TrunkStore(database, Sealing(settings.sealing_secrets), now=_now)
    services = Services(
        settings=settings,
        database=database,
        signals=signals,
        rooms=LiveKitRooms(livekit, api_key=key, api_secret=secret),
        presence=RedisPresence(redis, deployment=settings.deployment, now=_now),
        tokens=Tokens(settings.token_secret.get_secret_value(), now=_now),
        agents=agents.load(Path(settings.agents_file)),
        queue_limit=QueueLimit(settings.max_queued_calls),
        pacer=RedisPacer(redis, deployment=settings.deployment),
        directory=Directory(settings, kept),
        webhooks=LiveKitWebhooks(api_key=key, api_secret=secret),
        ping_redis=ping_redis,
        now=_now,
    )
    keeper = TrunkKeeper(livekit=LiveKitTrunks(livekit), wanted=services.directory, signals=signals)
    dispatcher = _dispatcher(services, keeper)
    rescuer = Rescuer(
        database=services.database,
        rooms=services.rooms,
        signals=signals,
        presence=services.presence,
        agents=services.agents,
        tokens=services.tokens,
        agent_name=settings.livekit_agent_name,
        now=_now,
    )
    reaper = Reaper(
        database=services.database,
        rooms=services.rooms,
        signals=signals,
        deployment=settings.deployment,
        agent_lost=dispatcher.agent_lost,
        agent_left=rescuer.agent_left,
        unowned=Unoffered(
            rooms=services.rooms,
            presence=services.presence,
            agent_name=settings.livekit_agent_name,
            now=_now,
        ).look,
        now=_now,
    )
    return Dialer(
        services=services,
        always=(signals.run,),
        loops=(
            keeper.run,
            dispatcher.run,
            reaper.run,
            rescuer.run,
            Forgetting(services.database, now=_now).run,
        ),
        closing=(services.database.close, livekit.close, redis.aclose),
    )


def _dispatcher(services: Services, keeper: TrunkKeeper) -> Dispatcher:
    settings = services.settings
    given = Collaborators(
        database=services.database,
        rooms=services.rooms,
        signals=services.signals,
        presence=services.presence,
        jobs=services.jobs,
        trunks=keeper,
        agents=services.agents,
        tokens=services.tokens,
        rules=Rules(
            deployment=settings.deployment,
            agent_name=settings.livekit_agent_name,
            join_timeout=timedelta(seconds=settings.agent_join_timeout_seconds),
        ),
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"[:128],
        now=services.now,
    )
    return Dispatcher(given, pacer=services.pacer)


@asynccontextmanager
async def running(dialer: Dialer, *, loops: bool) -> AsyncGenerator[None]:
    """Run what runs beside the requests, and put everything away at the end."""
    wanted = dialer.always + (dialer.loops if loops else ())
    tasks = [asyncio.create_task(loop()) for loop in wanted]
    try:
        yield
    finally:
        await ended(tasks)
        await dialer.close()


def create_app(settings: Settings, *, loops: bool = True) -> FastAPI:
    """Build the whole application from settings."""
    dialer = build(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with running(dialer, loops=loops):
            yield

    return assemble(dialer.services, lifespan=lifespan)


def assemble(services: Services, *, lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Put the routers over the collaborators."""
    # FastAPI's own pages load their scripts from elsewhere; a gateway may have no way out.
    app = FastAPIOffline(
        title="Telephony gateway",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        # Swagger's page would ask a validator elsewhere about a document it can reach.
        swagger_ui_parameters={"validatorUrl": None},
        redoc_url=None,
    )
    app.state.services = services
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(observe.Observed)
    for routes in (
        calls_routes,
        health,
        workers_routes,
        inbound_routes,
        ingest_routes,
        console_routes,
    ):
        app.include_router(routes.router)
    openapi.install(app)
    return app
