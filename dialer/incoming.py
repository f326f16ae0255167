"""The part of the composition root for those who call in: built once, at our own LiveKit."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from dialer.adapters.announcer import NEEDS, SHIPPED, ProcessAnnouncer
from dialer.adapters.database import Database
from dialer.adapters.http_webhooks import HttpWebhooks
from dialer.adapters.livekit_inbound import LiveKitInboundTrunks
from dialer.adapters.livekit_second_leg import LiveKitSecondLegs
from dialer.admission.agents import Agents
from dialer.calls.pacing import Pacer
from dialer.calls.rooms import Rooms
from dialer.calls.signals import Signals
from dialer.inbound.choice import Chooser
from dialer.inbound.overflow import Means, Overflow
from dialer.livekit_servers import Server
from dialer.routing.directory import Directory
from dialer.routing.inbound_keeper import InboundKeeper
from dialer.routing.inbound_store import InboundTrunkStore
from dialer.routing.sealing import Sealing
from dialer.settings import Settings, variables

Loop = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Given:
    """What is shared with those who are called."""

    settings: Settings
    database: Database
    sealing: Sealing
    directory: Directory
    signals: Signals
    pacer: Pacer
    agents: Agents
    owner: str
    now: Callable[[], datetime]


def overflow(given: Given, server: Server) -> Overflow:
    """Build who takes the callers without an agent."""
    rooms = server.livekit.rooms
    return Overflow(
        Means(
            database=given.database,
            rooms=rooms,
            signals=given.signals,
            lines=server.keeper,
            directory=given.directory,
            pacer=given.pacer,
            legs=LiveKitSecondLegs(server.session),
            announcer=announcer(given.settings, rooms),
            owner=given.owner,
            now=given.now,
            at_once=given.settings.overflow_calls_per_number,
        )
    )


def announcer(settings: Settings, rooms: Rooms) -> ProcessAnnouncer:
    """Build who plays the apology."""
    path = Path(settings.apology_file) if settings.apology_file else SHIPPED
    path = None if settings.apology_file == "off" else path
    return ProcessAnnouncer(
        rooms, url=settings.livekit_url, path=path, environment=variables(NEEDS)
    )


def chooser(given: Given) -> Chooser:
    """Build who asks the webhooks of numbers."""
    networks = [ip_network(network) for network in given.settings.webhook_allowed_networks]
    return Chooser(
        HttpWebhooks(networks),
        sealing=given.sealing,
        agents=given.agents,
        now=given.now,
        clock=time.monotonic,
    )


def keeper(given: Given) -> tuple[Loop, Loop]:
    """Build the loop that keeps in LiveKit what callers come in by, and what closes it."""
    settings = given.settings
    livekit = LiveKitInboundTrunks(
        url=settings.livekit_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret.get_secret_value(),
        deployment=settings.deployment,
    )
    kept = InboundTrunkStore(given.database, given.sealing, now=given.now)
    loop = InboundKeeper(livekit=livekit, kept=kept, deployment=settings.deployment)
    return loop.run, livekit.close
