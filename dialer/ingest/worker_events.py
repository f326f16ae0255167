"""The first witness: what a worker saw of its attempt.

A batch is one transaction. What cannot be read becomes a warning in the call's history and is
acknowledged like the rest, so that one bad event never blocks the worker's spool.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, events
from dialer.calls.record import Fact, lock_call, record
from dialer.tenants.tokens import AttemptGrant
from telephony.errors import NotFound
from telephony.events import DATA, EventType, Source
from telephony.worker_contract import ReportedEvent

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: What only the dialer or LiveKit can know.
_NOT_A_WORKERS = {
    EventType.CALL_QUEUED,
    EventType.CALL_RECEIVED,
    EventType.CALL_ROUTED,
    EventType.CALL_WAITING,
    EventType.CALL_DISPATCHING,
    EventType.CALL_REQUEUED,
    EventType.CALL_AGENT_LOST,
    EventType.CALL_OVERFLOWED,
    EventType.CALL_OVERFLOW_ANSWERED,
    EventType.CALL_APOLOGISED,
    EventType.CALL_HANGUP_REQUESTED,
    EventType.ROOM_PARTICIPANT_JOINED,
    EventType.ROOM_PARTICIPANT_LEFT,
    EventType.ROOM_FINISHED,
}


class Numbered(BaseModel):
    """The least that an event must have: its number. The rest is read one event at a time."""

    model_config = ConfigDict(extra="allow")

    sequence: int = Field(ge=1, le=2**53)


class Batch(BaseModel):
    """A batch as it arrives; see ``telephony.worker_contract.EventBatch``."""

    events: list[Numbered] = Field(min_length=1, max_length=500)


#: What an agent that was superseded mid-call may still tell: words that were really said.
_STILL_TRUE = {EventType.CALL_TURN, EventType.CALL_DTMF}


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of a batch.

    Shape: ``moved`` is whether the call changed; ``slot`` whether a worker or a place among those
    that join may have come free by it.
    """

    acknowledged: int
    call_id: str
    moved: bool
    slot: bool
    superseded: bool = False


async def store(tx: AsyncConnection, grant: AttemptGrant, batch: Batch, *, now: datetime) -> Stored:
    """Record the events of a batch, in the order of their numbers.

    Shape: a worker whose dispatch was superseded before anybody dialled has nothing to tell; its
    events are acknowledged and dropped. One that was superseded in a conversation may complete the
    transcript and nothing else. Errors: NotFound for an attempt that does not exist.
    """
    # The lock first: a fence that was read before it may move while we wait.
    await lock_call(tx, grant.tenant_id, (await _attempt(tx, grant)).call_id)
    attempt = await _attempt(tx, grant)
    last = max(event.sequence for event in batch.events)
    superseded = grant.fence != attempt.fence
    if superseded and attempt.answered_at is None:
        log.info("late agent ignored", attempt_id=grant.attempt_id, events=len(batch.events))
        return Stored(last, attempt.call_id, moved=False, slot=False)
    before = await _known(tx, grant, attempt.call_id)
    seen: set[EventType] = set()
    moved = False
    for event in sorted(batch.events, key=lambda event: event.sequence):
        if event.sequence in before:
            continue
        before.add(event.sequence)
        fact = _fact(event, grant, attempt.call_id, now)
        if superseded and fact.type not in _STILL_TRUE:
            continue
        # The permit recorded the dialling; a worker's word for it never stands in for a permit.
        moves = fact.type is not EventType.CALL_DIALING and not superseded
        done = await record(tx, fact, now=now, moves=moves)
        moved = moved or done is not None
        seen.add(fact.type)
    slot = bool(seen & {EventType.CALL_AGENT_JOINED, EventType.CALL_ENDED})
    # Whoever has nothing more to say about this attempt need not keep what was left out.
    stored = last if superseded else _contiguous(before)
    return Stored(stored, attempt.call_id, moved=moved, slot=slot, superseded=superseded)


async def is_current(connection: AsyncConnection, grant: AttemptGrant) -> bool:
    """Say whether this asker's dispatch is the newest one of its attempt.

    Errors: NotFound for an attempt that does not exist.
    """
    fence: int = (await _attempt(connection, grant)).fence
    return fence == grant.fence


async def _attempt(tx: AsyncConnection, grant: AttemptGrant) -> Row[Any]:
    query: Any = select(attempts.c.call_id, attempts.c.fence, attempts.c.answered_at).where(
        attempts.c.tenant_id == grant.tenant_id, attempts.c.id == grant.attempt_id
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFound("not_found", "There is no such attempt.")
    return row


def _witness(grant: AttemptGrant, sequence: int) -> str:
    # Every dispatch counts its events from 1, so the fence tells two agents of one attempt apart.
    return f"{grant.fence}.{sequence}"


async def _known(tx: AsyncConnection, grant: AttemptGrant, call_id: str) -> set[int]:
    query = select(events.c.source_sequence).where(
        events.c.tenant_id == grant.tenant_id,
        events.c.call_id == call_id,
        events.c.attempt_id == grant.attempt_id,
        events.c.source == Source.WORKER.value,
    )
    known: set[int] = set()
    for (witness,) in (await tx.execute(query)).all():
        fence, _, sequence = str(witness).partition(".")
        if fence == str(grant.fence):
            known.add(int(sequence))
    return known


def _contiguous(known: set[int]) -> int:
    last = 0
    while last + 1 in known:
        last += 1
    return last


def _fact(event: Numbered, grant: AttemptGrant, call_id: str, now: datetime) -> Fact:
    fault = ""
    occurred_at = now
    type_ = EventType.CALL_WARNING
    data: dict[str, Any] = {}
    try:
        read = ReportedEvent.model_validate(event.model_dump())
        occurred_at = read.occurred_at
        DATA[read.type].model_validate(read.data)
        if read.type in _NOT_A_WORKERS:
            fault = f"{read.type.value} is not a worker's to report"
        else:
            type_, data = read.type, read.data
    except ValidationError as error:
        # Where and what kind, never the value: it may be a number or spoken words.
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        fault = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'])}: {one['type']}" for one in faults[:5]
        )
    if fault:
        log.warning("bad event", attempt_id=grant.attempt_id, sequence=event.sequence, fault=fault)
        data = {"code": "bad_event", "message": f"Event {event.sequence} was not taken: {fault}."}
    return Fact(
        tenant_id=grant.tenant_id,
        call_id=call_id,
        attempt_id=grant.attempt_id,
        type=type_,
        source=Source.WORKER,
        source_sequence=_witness(grant, event.sequence),
        occurred_at=occurred_at,
        data=data,
    )
