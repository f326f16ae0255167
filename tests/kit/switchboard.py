"""The dialer's loops over a real database, with a virtual clock and LiveKit in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import Row, insert, select

from dialer.adapters.database import Database
from dialer.adapters.tables import attempts, calls, events, metadata, tenants
from dialer.admission import agents
from dialer.admission.agents import Agents
from dialer.calls import takeover
from dialer.calls.dispatch import Dispatcher
from dialer.calls.joining import Collaborators, Rules
from dialer.calls.pacing import RollingPacer
from dialer.calls.permit import permit
from dialer.calls.reap import Reaper
from dialer.calls.record import Fact, record
from dialer.calls.rescue import Elsewhere, Rescuer
from dialer.calls.returning import take_back, withdraw
from dialer.calls.rooms import ParticipantKind
from dialer.ingest.worker_events import Batch, Stored, store
from dialer.livekits.choice import LiveKits
from dialer.livekits.livekit import LiveKit, Realm
from dialer.livekits.rooms import RoomsOfAll
from dialer.tenants.tokens import AttemptGrant, Tokens
from dialer.workers.jobs import Jobs
from telephony.call import (
    AttemptState,
    CallStatus,
    CallType,
    Direction,
    new_attempt_id,
    new_call_id,
)
from telephony.dial_request import DialRequest
from telephony.events import EventType, Source
from telephony.worker_contract import CALLEE_IDENTITY, ReturnReason, WorkerPresence
from tests.kit.fakes import FakeRooms, InMemoryPresence, InMemorySignals, VirtualClock
from tests.kit.trunks import FakeLines

AGENTS = """
agents:
  default:
    instructions: Be brief.
    greeting: Hello {name}.
    variables: {name: there}
"""


@dataclass
class Switchboard:
    """Everything between the queue and the rooms."""

    database: Database
    rules: Rules
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        self.rooms = FakeRooms(now=self.clock)
        self.presence = InMemoryPresence(now=self.clock)
        self.signals = InMemorySignals()
        self.jobs = Jobs()
        self.trunk = FakeLines()
        self.livekits = LiveKits(
            LiveKit(
                realm=Realm("tel"),
                rooms=self.rooms,
                trunks=self.trunk,
                presence=self.presence,
                jobs=self.jobs,
            )
        )
        self.pacer = RollingPacer(clock=lambda: self.clock().timestamp())
        self.tokens = Tokens("token-secret-of-the-tests-32-and-more", now=self.clock)
        self.agents = agents.parse(AGENTS)
        self.dispatcher = self.another_dispatcher("d1")
        self.rescuer = self.another_rescuer()
        self.reaper = self.another_reaper()
        self._reported: dict[str, int] = {}

    def another_dispatcher(self, owner: str) -> Dispatcher:
        """Make a dispatcher, as a second process would have one."""
        given = Collaborators(
            database=self.database,
            rooms=RoomsOfAll(self.livekits),
            signals=self.signals,
            livekits=self.livekits,
            agents=self.agents,
            tokens=self.tokens,
            rules=self.rules,
            owner=owner,
            now=self.clock,
        )
        return Dispatcher(given, pacer=self.pacer)

    def another_rescuer(self, elsewhere: Elsewhere | None = None) -> Rescuer:
        """Make a rescuer that has heard nothing yet."""
        return Rescuer(
            database=self.database,
            rooms=self.rooms,
            realm=self.livekits.own.realm,
            signals=self.signals,
            presence=self.presence,
            agents=self.agents,
            tokens=self.tokens,
            agent_name=self.rules.agent_name,
            now=self.clock,
            elsewhere=elsewhere,
        )

    def another_reaper(self) -> Reaper:
        """Make a reaper that has seen nothing yet."""
        return Reaper(
            database=self.database,
            rooms=self.rooms,
            signals=self.signals,
            realm=self.livekits.own.realm,
            agent_lost=self.dispatcher.agent_lost,
            agent_left=self.rescuer.agent_left,
            now=self.clock,
        )

    def forget_agents(self) -> None:
        """Let the agents file hold no agent any more."""
        self.agents = Agents({})
        self.dispatcher = self.another_dispatcher("d1")

    # What happens.

    async def worker(self, worker_id: str = "w1", capacity: int = 5, **fields: Any) -> None:
        """Let a worker report itself."""
        values: dict[str, Any] = {"live_calls": 0, "version": "1", "agent_name": "telephony"}
        presence = WorkerPresence(capacity=capacity, **{**values, **fields})
        await self.presence.put(worker_id, presence)

    async def place(self, *, tenant: str = "default", **fields: Any) -> str:
        """Queue a call; no two in the same moment."""
        now = self.clock.forward(0.001)
        call, attempt = new_call_id(now), new_attempt_id(now)
        values: dict[str, Any] = {
            "tenant_id": tenant,
            "id": call,
            "call_type": CallType.SIP.value,
            "direction": Direction.OUTBOUND.value,
            "status": CallStatus.QUEUED.value,
            "phone_number": "+14155550100",
            "caller_id": "+14155550199",
            "agent": "default",
            "variables": {},
            "metadata": {},
            "ring_timeout_seconds": 30,
            "max_duration_seconds": 600,
            "queued_at": now,
            "last_sequence": 0,
        }
        async with self.database.transaction() as tx:
            known = select(tenants.c.id).where(tenants.c.id == tenant)
            if (await tx.execute(known)).one_or_none() is None:
                await tx.execute(insert(tenants).values(id=tenant, name=tenant, created_at=now))
            await tx.execute(insert(calls).values({**values, **fields}))
            await tx.execute(
                insert(attempts).values(
                    tenant_id=tenant,
                    id=attempt,
                    call_id=call,
                    number=1,
                    state=AttemptState.WAITING.value,
                    fence=0,
                    dispatches=0,
                    created_at=now,
                )
            )
            queued = Fact(
                tenant, call, attempt, EventType.CALL_QUEUED, Source.DIALER, "queued", now, {}
            )
            await record(tx, queued, now=now)
        return call

    async def dispatched(self, **worker: Any) -> str:
        """Place a call that goes to a worker at once."""
        await self.worker(**worker)
        call_id = await self.place()
        await self.dispatch()
        return call_id

    async def claimed(self, call_type: CallType = CallType.SIP) -> str:
        """Place a call that waits for its agent to ask for the permit."""
        call_id = await self.dispatched(capacity=50)
        async with self.database.transaction() as tx:
            mine = calls.update().where(calls.c.id == call_id)
            await tx.execute(mine.values(call_type=call_type.value))
        return call_id

    async def dispatch(self) -> float:
        """Let the dispatcher do one round, and open its rooms."""
        pause = await self.dispatcher.step()
        await self.dispatcher.settled()
        return pause

    async def request(self, call_id: str) -> DialRequest:
        """Give what the newest dispatch of a call's room told the worker."""
        room = self.rooms.rooms[(await self.attempt(call_id)).room]
        return DialRequest.from_metadata(room.dispatches[-1].metadata)

    async def grant(self, call_id: str) -> AttemptGrant:
        """Give what the newest worker's token allows."""
        request = await self.request(call_id)
        return self.tokens.verify_attempt_token(request.attempt_token, request.attempt_id)

    async def agent_joins(self, call_id: str, worker_id: str = "w1") -> AttemptGrant:
        """Let a worker's agent join, and say so."""
        granted = await self.grant(call_id)
        room = (await self.attempt(call_id)).room
        self.rooms.join(room, f"agent-{worker_id}", ParticipantKind.AGENT)
        await self.report(granted, (EventType.CALL_AGENT_JOINED, {"worker_id": worker_id}))
        return granted

    async def takes_over(self, call_id: str, worker_id: str) -> bool:
        """Let a worker ask to be the one that takes the conversation over."""
        granted = await self.grant(call_id)
        async with self.database.transaction() as tx:
            return await takeover.take(tx, granted, worker_id)

    async def dials(self, call_id: str) -> AttemptGrant:
        """Let an agent join and dial, with its permit."""
        granted = await self.agent_joins(call_id)
        await self.ask_permit(granted)
        room = (await self.attempt(call_id)).room
        self.rooms.join(room, CALLEE_IDENTITY, ParticipantKind.SIP, sip_status="dialing")
        return granted

    async def talking(self) -> tuple[str, AttemptGrant]:
        """Bring a new call as far as the answer."""
        await self.worker()
        call_id = await self.place()
        await self.dispatch()
        granted = await self.dials(call_id)
        await self.report(granted, (EventType.CALL_RINGING, {}), (EventType.CALL_ANSWERED, {}))
        room = (await self.attempt(call_id)).room
        self.rooms.join(room, CALLEE_IDENTITY, ParticipantKind.SIP, sip_status="active")
        return call_id, granted

    async def ask_permit(self, granted: AttemptGrant, asked_by: str | None = None) -> str:
        """Ask for the permit."""
        async with self.database.transaction() as tx:
            return await permit(tx, granted, asked_by or token_hex(4), now=self.clock())

    async def withdraw(self, granted: AttemptGrant, asked_by: str) -> str:
        """Say that an asking heard no answer and is over."""
        async with self.database.transaction() as tx:
            return await withdraw(tx, granted, asked_by, now=self.clock())

    async def return_permit(
        self, granted: AttemptGrant, why: ReturnReason = ReturnReason.NO_BRIDGE
    ) -> str:
        """Give back the permit."""
        async with self.database.transaction() as tx:
            trunks = self.trunk.trunks
            return await take_back(tx, granted, why, trunks=trunks, now=self.clock())

    async def report(self, granted: AttemptGrant, *told: tuple[str, dict[str, Any]]) -> Stored:
        """Report events as the worker with this token does."""
        key = f"{granted.attempt_id}.{granted.fence}"
        numbered: list[dict[str, Any]] = []
        for type_, data in told:
            self._reported[key] = self._reported.get(key, 0) + 1
            numbered.append(
                {
                    "sequence": self._reported[key],
                    "type": str(type_),
                    "occurred_at": self.clock().isoformat(),
                    "data": data,
                }
            )
        return await self.report_raw(granted, numbered)

    async def report_hang_up(self, call_id: str) -> None:
        """Record the wish to hang up, and do nothing about it."""
        attempt, now = await self.attempt(call_id), self.clock()
        wish = EventType.CALL_HANGUP_REQUESTED
        asked = Fact(
            attempt.tenant_id, call_id, attempt.id, wish, Source.DIALER, "hang_up", now, {}
        )
        async with self.database.transaction() as tx:
            await record(tx, asked, now=now)

    async def report_raw(self, granted: AttemptGrant, batch: list[dict[str, Any]]) -> Stored:
        """Report a batch as it stands."""
        async with self.database.transaction() as tx:
            read = Batch.model_validate({"events": batch})
            return await store(tx, granted, read, now=self.clock())

    async def reap(self, *, seconds: float = 0, every: float = 3) -> None:
        """Let time pass with the reaper looking, first at once and last at the end."""
        await self.reaper.step()
        while seconds > 0:
            self.clock.forward(min(every, seconds))
            seconds -= every
            await self.reaper.step()

    # What came of it.

    async def call(self, call_id: str) -> Row[Any]:
        """Give a call's row."""
        query: Any = select(calls).where(calls.c.id == call_id)
        async with self.database.reading() as connection:
            return (await connection.execute(query)).one()

    async def attempt(self, call_id: str) -> Row[Any]:
        """Give the row of a call's attempt."""
        query: Any = select(attempts).where(attempts.c.call_id == call_id)
        async with self.database.reading() as connection:
            return (await connection.execute(query)).one()

    async def events(self, call_id: str) -> list[str]:
        """Give the types of a call's events, in order."""
        query = select(events.c.type).where(events.c.call_id == call_id)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(events.c.sequence))
            return list(rows.scalars())

    async def ended(self, call_id: str) -> tuple[str, str, str] | None:
        """Give outcome, reason and who ended it; None while it is not over."""
        call = await self.call(call_id)
        if call.status != CallStatus.ENDED.value:
            return None
        return call.outcome, call.ended_reason, call.ended_by


@asynccontextmanager
async def switchboard(
    database_url: str, *, create: bool = False, **rules: Any
) -> AsyncGenerator[Switchboard]:
    """Set one up; ``create`` makes the tables."""
    values: dict[str, Any] = {
        "agent_name": "telephony",
        "join_timeout": timedelta(seconds=3),
    }
    database = Database(database_url)
    try:
        if create:
            async with database.transaction() as tx:
                await tx.run_sync(metadata.create_all)
        yield Switchboard(database, Rules(**{**values, **rules}))
    finally:
        await database.close()
