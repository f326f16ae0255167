"""The LiveKit side of the worker: registration, and no job more than there is room for."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable

from livekit import api
from livekit.agents import AgentServer, JobContext, JobExecutorType, JobProcess, JobRequest
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.agents.utils import shortuuid
from livekit.protocol import agent, models

from agent.settings import Settings
from telephony.worker_contract import AGENT_IDENTITY_PREFIX, Job

#: Threads that wait for a job; a thread more is made in a few milliseconds.
_IDLE_THREADS = 2

#: The load of a full worker, as LiveKit is told.
_FULL_LOAD = 0.6


class Seats:
    """How many calls there is room for; the one count that LiveKit and the dialer are told.

    A seat is taken when a job is accepted, not when it starts, so that jobs that are offered at the
    same moment cannot take the same seat.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._lock = threading.Lock()
        self._taken: set[str] = set()

    def take(self, job_id: str) -> bool:
        """Take a seat; False where none is free."""
        with self._lock:
            if len(self._taken) >= self.capacity:
                return False
            self._taken.add(job_id)
            return True

    def free(self, job_id: str) -> None:
        """Give the seat back; once is enough."""
        with self._lock:
            self._taken.discard(job_id)

    @property
    def taken(self) -> int:
        """Give the number of calls."""
        with self._lock:
            return len(self._taken)

    @property
    def left(self) -> int:
        """Give the number of calls that there is room for."""
        return self.capacity - self.taken


class TelephonyServer(AgentServer):
    """An AgentServer that counts in calls instead of CPU load.

    The framework's own estimate refuses jobs at an empty worker (the first one reserves a share of
    the load that depends on the number of idle threads), so its threshold is switched off and
    on_request decides. What LiveKit is told only spreads jobs over workers: it learns of a load
    seconds late, and drops a dispatch without a word where every load it knows of is above its
    ``agents.target_load`` (0.7), so the load is scaled to stay below that.
    """

    def __init__(self, settings: Settings, seats: Seats) -> None:
        super().__init__(
            job_executor_type=JobExecutorType.THREAD,
            load_threshold=float("inf"),
            load_fnc=lambda: _FULL_LOAD * seats.taken / seats.capacity,
            num_idle_processes=min(settings.worker_capacity, _IDLE_THREADS),
            drain_timeout=settings.drain_timeout_seconds,
            initialize_process_timeout=60.0,
            shutdown_process_timeout=20.0,
            ws_url=settings.livekit_url,
            api_key=settings.livekit_api_key,
            api_secret=settings.livekit_api_secret.get_secret_value(),
            host=settings.worker_http_host,
            port=settings.worker_http_port,
            setup_fnc=_nothing_to_set_up,
        )
        self._seats = seats
        self._settings = settings

    def serve(self, agent_name: str, entrypoint: Callable[[JobContext], Awaitable[None]]) -> None:
        """Take jobs that are dispatched to this name."""

        async def run(context: JobContext) -> None:
            try:
                await entrypoint(context)
            finally:
                self._seats.free(context.job.id)

        self.rtc_session(run, agent_name=agent_name, on_request=self._on_request)

    async def _on_request(self, request: JobRequest) -> None:
        if self.draining or not self._seats.take(request.id):
            await request.reject()
            return
        try:
            await request.accept()
        except BaseException:
            self._seats.free(request.id)
            raise

    @property
    def room_for(self) -> int:
        """Give how many jobs could be taken now."""
        return self._seats.left if self.registered and not self.draining else 0

    async def take(self, job: Job) -> bool:
        """Start a job that the dialer gave; False where there is no room for it.

        Shape: to the job it is one like LiveKit's own, with a token of our making.
        """
        job_id = shortuuid("AJ_")
        if not self.room_for or not self._seats.take(job_id):
            return False
        try:
            await self._proc_pool.launch_job(self._running(job_id, job))
        except BaseException:
            self._seats.free(job_id)
            raise
        return True

    def _running(self, job_id: str, job: Job) -> RunningJobInfo:
        identity = AGENT_IDENTITY_PREFIX + job_id
        settings = self._settings
        token = api.AccessToken(
            settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
        )
        # As LiveKit gives to agents; the framework keeps the state of one in its attributes.
        grants = api.VideoGrants(
            room_join=True,
            room=job.room,
            agent=True,
            can_publish=True,
            can_subscribe=True,
            can_publish_data=True,
            can_update_own_metadata=True,
        )
        return RunningJobInfo(
            accept_arguments=JobAcceptArguments(name="", identity=identity, metadata=""),
            job=agent.Job(
                id=job_id,
                type=agent.JobType.JT_ROOM,
                room=models.Room(name=job.room),
                metadata=job.metadata,
                agent_name=settings.livekit_agent_name,
            ),
            url=settings.livekit_url,
            token=token.with_identity(identity).with_kind("agent").with_grants(grants).to_jwt(),
            worker_id=self.id,
            fake_job=False,
        )

    @property
    def registered(self) -> bool:
        """Whether LiveKit knows this worker now."""
        # The framework keeps this to itself; a reconnection sets it again.
        return self.id != "unregistered" and not self._connecting and not self._connection_failed


def _nothing_to_set_up(_: JobProcess) -> None:
    """Leave the thread as it is: what jobs share is loaded before the server starts."""
