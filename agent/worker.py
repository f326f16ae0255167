"""The worker process: loads once what all calls share, takes jobs, drains, stops."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from typing import Final

from livekit.agents import JobContext

from agent import __version__
from agent.desk import Desk
from agent.dialer_client import DialerClient
from agent.front_office import FrontOffice
from agent.greeting import PhraseCache
from agent.job import answer_job
from agent.job_taker import JobTaker
from agent.logs import get_logger
from agent.media_panic import PANICKED, tell_panics
from agent.presence import PresenceReporter
from agent.reporter import Deliveries
from agent.server import Seats, TelephonyServer
from agent.settings import Settings
from agent.speech.pipeline import warm_up
from agent.speech.shared import load_shared
from agent.standby import Standby
from agent.subscriptions import Subscriptions
from agent.watchdog import Pulse, Watchdog
from telephony import garbage
from telephony.worker_contract import WorkerPresence

#: How long undelivered events and the ends of calls may hold up the process when it stops.
_SETTLE: Final = 8.0
_STOP: Final = 12.0
_LOOK_EVERY: Final = 0.25

log = get_logger(__name__)


class Worker:
    """One worker process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seats = Seats(settings.worker_capacity)
        self._server = TelephonyServer(settings, self._seats)
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._told_to_stop = False
        self._office: FrontOffice | None = None
        self._taking: asyncio.Task[None] | None = None
        self._broken = False
        self._registered_at: datetime | None = None

    async def run(self) -> int:
        """Work until told to stop; give the process's exit status."""
        settings = self._settings
        dialer = DialerClient(
            settings.dialer_urls,
            settings.worker_id,
            settings.worker_token.get_secret_value(),
            livekit=settings.worker_livekit,
        )
        deliveries = Deliveries(dialer, settings.own_spool)
        self._office = FrontOffice(dialer, deliveries)
        dialer.on_superseded = self._office.superseded
        self._watch_signals()
        deliveries.replay()
        watchdog = self._watchdog(self._office)
        desk = self._desk(self._office)
        standby = Standby(desk.shared, desk.phrases)
        dialer.on_welcome = standby.wanted
        if not await warm_up(desk.shared):
            log.warning("models_unreachable", base_url=settings.openai_base_url)

        async def entrypoint(context: JobContext) -> None:
            await answer_job(context, desk)

        garbage.spare_what_stays()
        self._server.serve(settings.livekit_agent_name, entrypoint)
        presence = asyncio.create_task(PresenceReporter(dialer, self._presence).run())
        taker = JobTaker(dialer, room=self._room, take=self._server.take)
        self._taking = asyncio.create_task(taker.run())
        watchdog.start()
        try:
            return await self._serve(presence)
        finally:
            watchdog.stop()
            self._taking.cancel()
            await deliveries.settle(_SETTLE)
            presence.cancel()
            await standby.aclose()
            await dialer.aclose()

    def _watchdog(self, office: FrontOffice) -> Watchdog:
        loop = asyncio.get_running_loop()

        def replace(why: str) -> None:
            loop.call_soon_threadsafe(self._break, why)

        return Watchdog(
            own=Pulse(),
            calls=office.pulses,
            # Presence tells the dialer, which finds another agent for it.
            give_up=lambda _: None,
            replace=replace,
            memory_limit=self._settings.worker_memory_limit_mb << 20,
        )

    def _break(self, why: str) -> None:
        log.error("worker_to_be_replaced", why=why)
        self._broken = True
        self._stopping.set()

    def _desk(self, office: FrontOffice) -> Desk:
        settings = self._settings
        return Desk(
            office=office,
            shared=load_shared(
                settings.openai_base_url, settings.openai_api_key.get_secret_value()
            ),
            phrases=PhraseCache(),
            recordings=settings.recordings_dir,
            worker_id=settings.worker_id,
            livekit_url=settings.livekit_url,
            livekit_api_key=settings.livekit_api_key,
            livekit_api_secret=settings.livekit_api_secret.get_secret_value(),
            media_timeout=settings.media_timeout,
            media_timeout_initial=settings.media_timeout_initial,
            failpoints=settings.worker_failpoints,
        )

    def _room(self) -> int:
        return 0 if self._stopping.is_set() else self._server.room_for

    def _presence(self) -> WorkerPresence:
        return WorkerPresence(
            capacity=self._settings.worker_capacity,
            live_calls=self._seats.taken,
            version=__version__,
            draining=self._stopping.is_set(),
            agent_name=self._settings.livekit_agent_name,
            livekit=self._settings.worker_livekit,
            registered=self._server.registered,
            registered_at=self._registered_at,
            holds=self._office.holds() if self._office is not None else None,
            stuck=self._office.stuck() if self._office is not None else [],
        )

    async def _serve(self, presence: asyncio.Task[None]) -> int:
        serving = asyncio.create_task(self._server.run())
        stop = asyncio.create_task(self._stopping.wait())
        Subscriptions().on(self._server, "worker_registered", self._on_registered)
        await asyncio.wait([serving, stop, presence], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if serving.done():
            error = serving.exception()
            log.error("livekit_lost", error=type(error).__name__ if error else "closed")
            self._end_all()
            return 1
        presence_lost = presence.done()
        if presence_lost:
            # Without presence the dialer gives nothing more: end well, and be started anew.
            log.error("presence_died", error=_how(presence))
            self._stopping.set()
        await self._drain()
        if self._office is not None and self._office.stuck():
            # A thread that is stuck never ends; the process ends without waiting for it.
            serving.cancel()
            return 1
        await self._server.aclose()
        await serving
        log.info("worker_stopped")
        return 1 if presence_lost or self._broken else 0

    def _on_registered(self, *_: object) -> None:
        self._registered_at = datetime.now(UTC)
        log.info(
            "worker_registered",
            worker_id=self._settings.worker_id,
            agent_name=self._settings.livekit_agent_name,
            capacity=self._settings.worker_capacity,
        )

    async def _drain(self) -> None:
        log.info("worker_draining", live_calls=self._seats.taken)
        if self._taking is not None:
            # A job that came now would be refused, and missed for three seconds.
            self._taking.cancel()
        drain = asyncio.create_task(self._server.drain())
        hurry = asyncio.create_task(self._hurry.wait())
        stuck = asyncio.create_task(self._only_stuck_ones_left())
        await asyncio.wait([drain, hurry, stuck], return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        stuck.cancel()
        if self._broken and not drain.done() and not self._hurry.is_set():
            drain.cancel()
        elif not drain.done():
            self._end_all()
            await asyncio.wait([drain], timeout=_STOP)
            drain.cancel()
        elif drain.exception() is not None:
            self._end_all()

    async def _only_stuck_ones_left(self) -> None:
        """Return when a process that is to be replaced holds no call that is alive."""
        assert self._office is not None
        while True:
            if self._broken and self._office.stuck() and not self._office.holds():
                return
            await asyncio.sleep(_LOOK_EVERY)

    def _end_all(self) -> None:
        if self._office is not None:
            self._office.end_all()

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        loop.add_signal_handler(PANICKED, self._break, "the media library panicked")
        tell_panics()

    def _on_signal(self, number: signal.Signals) -> None:
        # Also where it drains by itself already, the first signal is no wish to end live calls.
        again, self._told_to_stop = self._told_to_stop, True
        log.info("worker_told_to_stop", signal=number.name, again=again)
        (self._hurry if again else self._stopping).set()


def _how(task: asyncio.Task[None]) -> str:
    error = None if task.cancelled() else task.exception()
    return type(error).__name__ if error else "ended"


async def run_worker(settings: Settings) -> int:
    """Run one worker until it is told to stop; give the exit status."""
    return await Worker(settings).run()
