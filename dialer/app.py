"""The composition root: builds every adapter, with ``livekit_servers`` for those of each LiveKit.

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

from dialer import health, incoming, livekit_servers, observe, openapi, problems
from dialer.adapters import redis_client
from dialer.adapters.database import Database
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
from dialer.console import routes as console_routes
from dialer.inbound import routes as inbound_routes
from dialer.ingest import routes as ingest_routes
from dialer.livekits import switch
from dialer.livekits.choice import LiveKits
from dialer.livekits.rooms import RoomsOfAll
from dialer.livekits.webhooks import WebhooksOfEach
from dialer.reading import BodyLimit
from dialer.routing.directory import Directory
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
    redis = redis_client.connect(settings.redis_url)
    signals = RedisSignals(redis, deployment=settings.deployment)

    async def ping_redis() -> None:
        async with redis_client.translated():
            await redis.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]

    database, sealing = Database(settings.database_url), Sealing(settings.sealing_secrets)
    presence = RedisPresence(redis, deployment=settings.deployment, now=_now)
    directory = Directory(settings, TrunkStore(database, sealing, now=_now))
    pacer = RedisPacer(redis, deployment=settings.deployment)
    named = agents.load(Path(settings.agents_file))
    servers = livekit_servers.build(settings, directory, presence, signals)
    livekits = LiveKits(
        *(server.livekit for server in servers),
        wanted=lambda: switch.wanted(database),
        moved=signals.work_waiting,
    )
    given = incoming.Given(
        settings, database, sealing, directory, signals, pacer, named, _owner(), _now
    )
    overflow = incoming.overflow(given, servers[0])
    services = Services(
        settings=settings,
        database=database,
        signals=signals,
        rooms=RoomsOfAll(livekits),
        livekits=livekits,
        presence=presence,
        tokens=Tokens(settings.token_secret.get_secret_value(), now=_now),
        agents=named,
        queue_limit=QueueLimit(settings.max_queued_calls),
        pacer=pacer,
        directory=directory,
        webhooks=WebhooksOfEach(*((one.livekit.realm, one.webhooks) for one in servers)),
        ping_redis=ping_redis,
        now=_now,
        overflow=overflow,
        chooser=incoming.chooser(given),
    )
    keep_inbound, close_inbound = incoming.keeper(given)
    dispatcher = _dispatcher(services)
    guards = [livekit_servers.guards(one, services, dispatcher) for one in servers]
    return Dialer(
        services=services,
        # Where there is one LiveKit, there is nothing to choose.
        always=(signals.run, *((livekits.run,) if livekits.fallback else ())),
        loops=(
            *(server.keeper.run for server in servers),
            keep_inbound,
            dispatcher.run,
            *(guard for of_one in guards for guard in of_one),
            overflow.run,
            Forgetting(services.database, now=_now).run,
        ),
        closing=(
            services.database.close,
            *(server.session.close for server in servers),
            close_inbound,
            redis.aclose,
        ),
    )


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"[:128]


def _dispatcher(services: Services) -> Dispatcher:
    settings = services.settings
    given = Collaborators(
        database=services.database,
        rooms=services.rooms,
        signals=services.signals,
        livekits=services.livekits,
        agents=services.agents,
        tokens=services.tokens,
        rules=Rules(
            agent_name=settings.livekit_agent_name,
            join_timeout=timedelta(seconds=settings.agent_join_timeout_seconds),
        ),
        owner=_owner(),
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
