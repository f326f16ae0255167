"""The dialer's application over a real database, with the world outside of it in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy import insert, select

from dialer.adapters.database import Database
from dialer.adapters.tables import attempts, tenants
from dialer.admission import agents
from dialer.admission.limits import QueueLimit
from dialer.app import assemble
from dialer.calls.pacing import RollingPacer
from dialer.calls.record import Fact, Recorded, record
from dialer.ingest.livekit_webhook import Webhook
from dialer.livekits.choice import LiveKits
from dialer.livekits.livekit import LiveKit, Realm
from dialer.routing.directory import Directory
from dialer.settings import Settings
from dialer.tenants.keys import Keys
from dialer.tenants.tokens import Tokens
from dialer.wiring import Services
from dialer.workers.jobs import Jobs
from telephony.errors import Unauthorized
from telephony.events import EventType, Source
from telephony.worker_contract import WorkerPresence
from tests.kit.fakes import FakeRooms, InMemoryPresence, InMemorySignals
from tests.kit.trunks import FakeLines, InMemoryTrunks
from tests.kit.until import until

AGENTS = """
agents:
  default:
    instructions: You work for {business}.
    greeting: Hello from {business}.
    variables: {business: Riverside Dental}
  needy:
    instructions: Confirm {appointment}.
    greeting: Hello.
"""

OWN_NUMBERS = ("+14155550198", "+14155550199")


def settings(database_url: str, **fields: Any) -> Settings:
    """Make settings without looking at the environment."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "token_secret": "token-secret-of-the-tests-32-and-more",
        "redis_url": "redis://127.0.0.1:1/0",
        "livekit_url": "ws://127.0.0.1:1",
        "livekit_api_key": "key",
        "livekit_api_secret": "livekit-secret-of-the-tests-32-and-more",
        "sip_trunk_address": "127.0.0.1:5070",
        "sip_caller_ids": OWN_NUMBERS,
    }
    return Settings(_env_file=None, **{**values, **fields})  # pyright: ignore[reportCallIssue]


async def answer() -> None:
    """Be a Redis that is there."""


class NoWebhooks:
    """Takes no webhook."""

    def read(self, body: bytes, authorization: str) -> Webhook:
        """Refuse it."""
        raise Unauthorized("unauthorized", "No webhook is taken here.")


@dataclass
class Api:
    """The application, what it stands on, and clients for it."""

    app: FastAPI
    services: Services
    rooms: FakeRooms
    presence: InMemoryPresence
    key: str

    def client(self, key: str | None = None, **options: Any) -> httpx.AsyncClient:
        """Make a client inside this process, by default with the default tenant's key."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://dialer",
            headers={"Authorization": f"Bearer {key or self.key}"},
            **options,
        )

    async def tenant(self, name: str) -> str:
        """Make another tenant and give a key of it."""
        async with self.services.database.transaction() as tx:
            await tx.execute(
                insert(tenants).values(id=name, name=name, created_at=datetime.now(UTC))
            )
            return (await Keys(tx, name).create("test", now=datetime.now(UTC))).secret

    async def worker(self, worker_id: str = "w1", capacity: int = 5, **fields: Any) -> None:
        """Let a worker report itself."""
        presence = WorkerPresence(
            capacity=capacity, live_calls=0, version="1", agent_name="telephony", **fields
        )
        await self.presence.put(worker_id, presence)

    async def saw(self, call_id: str, event: EventType, **data: Any) -> Recorded | None:
        """Record an event of a worker's on the call's newest attempt."""
        async with self.services.database.transaction() as tx:
            query = select(attempts).where(attempts.c.call_id == call_id)
            attempt = (await tx.execute(query.order_by(attempts.c.number.desc()).limit(1))).one()
            now = self.services.now()
            fact = Fact(
                tenant_id=attempt.tenant_id,
                call_id=call_id,
                attempt_id=attempt.id,
                type=event,
                source=Source.WORKER,
                source_sequence=f"test:{event.value}:{now.isoformat()}",
                occurred_at=now,
                data=data,
            )
            recorded = await record(tx, fact, now=now)
        await self.services.signals.call_changed(attempt.tenant_id, call_id)
        return recorded

    async def dialled(self, call_id: str, *events: EventType) -> str:
        """Let the call come as far as the last event; give its room."""
        room = f"tel-room-{call_id[-8:]}"
        async with self.services.database.transaction() as tx:
            await tx.execute(
                attempts.update().where(attempts.c.call_id == call_id).values(room=room)
            )
        for event in (EventType.CALL_DISPATCHING, EventType.CALL_DIALING, *events):
            await self.saw(call_id, event)
        await self.rooms.create(room, None)
        return room


@asynccontextmanager
async def api(database_url: str, **fields: Any) -> AsyncGenerator[Api]:
    """Assemble the application over a migrated database."""

    def now() -> datetime:
        return datetime.now(UTC)

    rooms, presence = FakeRooms(now=now), InMemoryPresence(now=now)
    configured = settings(database_url, **fields)
    livekits = LiveKits(
        LiveKit(
            realm=Realm(configured.deployment),
            rooms=rooms,
            trunks=FakeLines(),
            presence=presence,
            jobs=Jobs(),
            browser_url=configured.browser_livekit_url,
        )
    )
    wired = Services(
        settings=configured,
        database=Database(configured.database_url),
        signals=InMemorySignals(),
        rooms=rooms,
        livekits=livekits,
        presence=presence,
        tokens=Tokens(configured.token_secret.get_secret_value(), now=now),
        agents=agents.parse(AGENTS),
        queue_limit=QueueLimit(configured.max_queued_calls),
        pacer=RollingPacer(),
        directory=Directory(configured, InMemoryTrunks()),
        webhooks=NoWebhooks(),
        ping_redis=answer,
        now=now,
    )
    async with wired.database.transaction() as tx:
        key = await Keys(tx, "default").create("test", now=now())
    try:
        yield Api(assemble(wired), wired, rooms, presence, key.secret)
    finally:
        await wired.database.close()


def changed(found: Api, **fields: Any) -> Api:
    """Give the same application with some services replaced."""
    wired = replace(found.services, **fields)
    return replace(found, app=assemble(wired), services=wired)


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncGenerator[str]:
    """Serve the application on a free port and give its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=2)
        )
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
