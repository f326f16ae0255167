"""The part of the composition root that is built once for each LiveKit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dialer.adapters.livekit_rooms import LiveKitRooms
from dialer.adapters.livekit_session import LiveKitSession
from dialer.adapters.livekit_trunk import LiveKitTrunks
from dialer.adapters.livekit_webhooks import LiveKitWebhooks
from dialer.calls.dispatch import Dispatcher
from dialer.calls.reap import Patience, Reaper
from dialer.calls.rescue import Rescuer
from dialer.calls.signals import Signals
from dialer.inbound.nobody_came import NobodyCame
from dialer.inbound.overflow import Overflow
from dialer.inbound.unoffered import Take, Unoffered
from dialer.ingest.livekit_webhook import WebhookReader
from dialer.livekits.livekit import LiveKit, Realm
from dialer.routing.directory import Directory
from dialer.routing.keeper import TrunkKeeper
from dialer.setting_checks import hosted
from dialer.settings import Settings
from dialer.wiring import Services
from dialer.workers.jobs import Jobs
from dialer.workers.presence import Presence, PresenceAt
from telephony.worker_contract import LiveKitName

Loop = Callable[[], Coroutine[Any, Any, None]]

#: A look asks twice for each call, and a hosted LiveKit allows so many requests a minute.
_SPARING = Patience(look_every=timedelta(seconds=10), least_pause=timedelta(seconds=5))


@dataclass(frozen=True, slots=True)
class _Access:
    """How one LiveKit is reached, and how its rooms are named."""

    name: LiveKitName
    realm: Realm
    url: str
    browser_url: str
    key: str
    secret: str


def _accesses(settings: Settings) -> list[_Access]:
    """List how our own LiveKit is reached and, where there is one, its fallback."""
    theirs = settings.fallback_deployment
    own = _Access(
        LiveKitName.OWN,
        Realm(settings.deployment, theirs),
        settings.livekit_url,
        settings.browser_livekit_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
    )
    if theirs is None:
        return [own]
    fallback = _Access(
        LiveKitName.FALLBACK,
        Realm(theirs, theirs),
        settings.livekit_fallback_url,
        settings.livekit_fallback_url,
        settings.livekit_fallback_api_key,
        settings.livekit_fallback_api_secret.get_secret_value(),
    )
    return [own, fallback]


@dataclass(frozen=True, slots=True)
class Server:
    """One LiveKit with what keeps it: its connections, its trunks, its webhooks.

    Shape: ``patience`` is that of the reaper who looks after its calls.
    """

    livekit: LiveKit
    patience: Patience
    session: LiveKitSession
    keeper: TrunkKeeper
    webhooks: WebhookReader


def build(
    settings: Settings, directory: Directory, presence: Presence, signals: Signals
) -> list[Server]:
    """Build what is needed for our own LiveKit and, where there is one, its fallback."""
    return [_server(access, directory, presence, signals) for access in _accesses(settings)]


def _server(access: _Access, directory: Directory, presence: Presence, signals: Signals) -> Server:
    keys = {"api_key": access.key, "api_secret": access.secret}
    session = LiveKitSession(url=access.url, **keys)
    keeper = TrunkKeeper(livekit=LiveKitTrunks(session), wanted=directory, signals=signals)
    livekit = LiveKit(
        name=access.name,
        realm=access.realm,
        rooms=LiveKitRooms(session, **keys),
        trunks=keeper,
        presence=PresenceAt(access.name, presence),
        jobs=Jobs(),
        browser_url=access.browser_url,
    )
    patience = _SPARING if hosted(access.url) else Patience()
    return Server(livekit, patience, session, keeper, LiveKitWebhooks(**keys))


def guards(server: Server, services: Services, dispatcher: Dispatcher) -> tuple[Loop, ...]:
    """Build the loops that look after the calls at one LiveKit: what another does is not theirs."""
    livekit = server.livekit
    overflow = services.overflow if livekit.name is LiveKitName.OWN else None
    agent_name = services.settings.livekit_agent_name
    rescuer = Rescuer(
        database=services.database,
        rooms=livekit.rooms,
        realm=livekit.realm,
        signals=services.signals,
        presence=livekit.presence,
        agents=services.agents,
        tokens=services.tokens,
        agent_name=agent_name,
        now=services.now,
        elsewhere=None if overflow is None else overflow.take,
    )
    unoffered = Unoffered(
        rooms=livekit.rooms,
        presence=livekit.presence,
        agent_name=agent_name,
        now=services.now,
        database=services.database,
        take=None if overflow is None else _nobody_came(overflow, services),
        within=timedelta(seconds=services.settings.inbound_answer_timeout_seconds),
    )
    reaper = Reaper(
        database=services.database,
        rooms=livekit.rooms,
        realm=livekit.realm,
        signals=services.signals,
        agent_lost=dispatcher.agent_lost,
        agent_left=rescuer.agent_left,
        unowned=unoffered.look,
        now=services.now,
        patience=server.patience,
    )
    return reaper.run, rescuer.run, unoffered.run


def _nobody_came(overflow: Overflow, services: Services) -> Take:
    return NobodyCame(
        database=services.database, signals=services.signals, overflow=overflow, now=services.now
    ).take
