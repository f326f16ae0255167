"""What the routes and loops are given: every collaborator, built once in ``dialer/app.py``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from dialer.adapters.database import Database
from dialer.admission.agents import Agents
from dialer.admission.limits import QueueLimit
from dialer.calls.pacing import Pacer
from dialer.calls.rooms import Rooms
from dialer.calls.signals import Signals
from dialer.ingest.livekit_webhook import WebhookReader
from dialer.routing.directory import Directory
from dialer.settings import Settings
from dialer.tenants.keys import KnownKeys
from dialer.tenants.tokens import Tokens
from dialer.workers.jobs import Jobs
from dialer.workers.presence import Presence


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators; ``app.state.services`` holds them."""

    settings: Settings
    database: Database
    signals: Signals
    rooms: Rooms
    presence: Presence
    tokens: Tokens
    agents: Agents
    queue_limit: QueueLimit
    pacer: Pacer
    directory: Directory
    webhooks: WebhookReader
    ping_redis: Callable[[], Awaitable[None]]
    now: Callable[[], datetime]
    known_keys: KnownKeys = field(default_factory=KnownKeys)
    jobs: Jobs = field(default_factory=Jobs)


def services(connection: HTTPConnection) -> Services:
    """Give the services of the application that serves this request."""
    app: FastAPI = connection.app
    return app.state.services
