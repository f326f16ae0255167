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
from dialer.inbound.choice import Chooser
from dialer.inbound.overflow import Overflow
from dialer.ingest.livekit_webhook import WebhookReader
from dialer.livekits.choice import LiveKits
from dialer.routing.directory import Directory
from dialer.settings import Settings
from dialer.tenants.keys import KnownKeys
from dialer.tenants.tokens import Tokens
from dialer.workers.presence import Presence


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators; ``app.state.services`` holds them.

    Shape: ``rooms`` and ``presence`` are those of all ``livekits``.
    """

    settings: Settings
    database: Database
    signals: Signals
    rooms: Rooms
    livekits: LiveKits
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
    #: None where callers without an agent are refused, and no webhook is asked.
    overflow: Overflow | None = None
    chooser: Chooser | None = None

    def overflow_at(self, room: str) -> Overflow | None:
        """Give who takes the caller in a room, None where nobody does.

        Shape: its phones and its voice are at our own LiveKit, and reach no room of the fallback's.
        """
        return self.overflow if self.livekits.of(room) is self.livekits.own else None


def services(connection: HTTPConnection) -> Services:
    """Give the services of the application that serves this request."""
    app: FastAPI = connection.app
    return app.state.services
