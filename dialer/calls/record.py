"""Store what was seen of a call, and let the lifecycle decide what it means.

The event is stored first, unique by its witness; then the table in ``telephony.lifecycle`` is
asked. An event that it does not take is a late or repeated fact: kept, and without effect. All of
it is one transaction of the caller's.

Whoever changes a call or one of its attempts locks the call first (``lock_call``): one order for
everybody, so that two witnesses wait for each other and never deadlock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, calls, events
from dialer.calls import endings
from dialer.routing import health
from telephony import lifecycle, termination
from telephony.call import AttemptState, CallStatus, EndedReason, Outcome
from telephony.events import (
    DATA,
    AgentJoined,
    Data,
    Ended,
    EventType,
    RecordingReady,
    Source,
    Waiting,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: The column of ``calls`` that keeps when each status was reached.
STATUS_TIME = {
    CallStatus.DISPATCHING: "dispatching_at",
    CallStatus.DIALING: "dialing_at",
    CallStatus.RINGING: "ringing_at",
    CallStatus.IN_PROGRESS: "answered_at",
    CallStatus.ENDED: "ended_at",
}

_ATTEMPT_TIME = {
    AttemptState.CLAIMED: "claimed_at",
    AttemptState.SENT: "sent_at",
    AttemptState.RINGING: "ringing_at",
    AttemptState.ANSWERED: "answered_at",
    AttemptState.ENDED: "ended_at",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a witness saw.

    Shape: ``source_sequence`` is unique for its attempt and source.
    """

    tenant_id: str
    call_id: str
    attempt_id: str
    type: EventType
    source: Source
    source_sequence: str
    occurred_at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of a fact.

    Shape: ``sequence`` is its place in the call's history; ``status`` the call's status after it;
    ``changed`` whether the fact moved the call.
    """

    sequence: int
    status: CallStatus
    changed: bool


async def record(
    tx: AsyncConnection, fact: Fact, *, now: datetime, moves: bool = True
) -> Recorded | None:
    """Store one fact and apply it; None when the same fact is stored already.

    Shape: with ``moves`` False the fact is kept and the call stays where it is, whatever the
    lifecycle would make of it. Errors: pydantic.ValidationError when the data is not what the type
    says; LookupError when there is no such call.
    """
    data = DATA[fact.type].model_validate(fact.data)
    call = await lock_call(tx, fact.tenant_id, fact.call_id)
    before = CallStatus(call.status)
    after = lifecycle.advance(before, fact.type) if moves else before
    if isinstance(data, Ended):
        data = _completed(data, call, fact)
    sequence = call.last_sequence + 1
    if not await _store(tx, fact, sequence, data.model_dump(mode="json", exclude_none=True), now):
        return None
    changes: dict[str, Any] = {"last_sequence": sequence}
    if after is not before:
        when = _reached(fact, call, now)
        changes |= _moved(after, when)
        if isinstance(data, Ended):
            changes |= _verdict(data)
            await endings.count(tx, fact.call_id, changes["outcome"], changes["ended_reason"])
            await health.note_end(
                tx,
                attempt_of(fact),
                data.ended_reason,
                at=when,
                answered_at=call.answered_at,
            )
        await _move_attempt(tx, fact, after, when)
    if isinstance(data, Waiting) and after is CallStatus.QUEUED:
        changes["waiting_for"] = data.waiting_for.value
    if isinstance(data, RecordingReady):
        changes["recording_path"] = data.path
    if fact.type is EventType.CALL_HANGUP_REQUESTED and call.hangup_requested_at is None:
        changes["hangup_requested_at"] = fact.occurred_at
    await _mark_agent(tx, fact, data, now)
    await tx.execute(
        update(calls)
        .where(calls.c.tenant_id == fact.tenant_id, calls.c.id == fact.call_id)
        .values(**changes)
    )
    if after is not before:
        _tell(fact, after, data)
    return Recorded(sequence, after, after is not before)


def _tell(fact: Fact, status: CallStatus, data: Data) -> None:
    """Write the one line a status that operators follow a call by; ids and closed lists only."""
    ended = (
        {"outcome": data.outcome, "reason": data.ended_reason} if isinstance(data, Ended) else {}
    )
    log.info(
        "call moved",
        call_id=fact.call_id,
        attempt_id=fact.attempt_id,
        status=status.value,
        source=fact.source.value,
        **ended,
    )


async def lock_call(tx: AsyncConnection, tenant_id: str, call_id: str) -> Row[Any]:
    """Give the call's row, and keep others from changing it until the transaction ends.

    Errors: LookupError when there is no such call.
    """
    # FOR UPDATE orders concurrent recorders of one call on Postgres; SQLite ignores it, having one
    # writer anyway.
    query = (
        select(calls).where(calls.c.tenant_id == tenant_id, calls.c.id == call_id).with_for_update()
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise LookupError(call_id)
    return row


async def _store(
    tx: AsyncConnection, fact: Fact, sequence: int, data: dict[str, Any], now: datetime
) -> bool:
    insert = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    statement = (
        insert(events)
        .values(
            tenant_id=fact.tenant_id,
            call_id=fact.call_id,
            sequence=sequence,
            attempt_id=fact.attempt_id,
            type=fact.type.value,
            source=fact.source.value,
            source_sequence=fact.source_sequence,
            occurred_at=fact.occurred_at,
            recorded_at=now,
            data=data,
        )
        .on_conflict_do_nothing(
            index_elements=["tenant_id", "call_id", "attempt_id", "source", "source_sequence"]
        )
        # An INSERT's row count is not known on every driver; what it returns is.
        .returning(events.c.sequence)
    )
    return (await tx.execute(statement)).one_or_none() is not None


def _completed(data: Ended, call: Row[Any], fact: Fact) -> Ended:
    """Fill in what follows from the reason and from how far the call had come."""
    answered = call.answered_at is not None
    reason = _reason(data.ended_reason, call, fact)
    if reason is not data.ended_reason:
        data = data.model_copy(update={"ended_by": termination.ENDED_BY[reason]})
    cause = termination.cause(
        reason, sip_status_code=data.sip_status_code, signalled=data.hangup_cause
    )
    outcome: Outcome = termination.outcome(
        reason, answered=answered, media_seen=data.media_seen is not False
    )
    return data.model_copy(
        update={
            "ended_reason": reason,
            "outcome": outcome,
            "hangup_cause": cause.code if cause else None,
            "hangup_cause_source": cause.source if cause else None,
        }
    )


#: What a leg that is taken out on request looks like to those who only see it go.
_LIKE_A_HANGUP = {
    EndedReason.CALLEE_HANGUP,
    EndedReason.CALLER_HANGUP,
    EndedReason.RING_TIMEOUT,
    EndedReason.NO_RESPONSE,
    EndedReason.LOST,
    EndedReason.NO_AGENT,
}


def _reason(told: EndedReason, call: Row[Any], fact: Fact) -> EndedReason:
    """Set a witness's word against what only the dialer knows: whether a hang-up was asked for."""
    asked = call.hangup_requested_at
    if asked is None:
        # Somebody else took the leg out, or deleted the room: nobody knows who, or why.
        alone = told is EndedReason.API_HANGUP and fact.source is Source.WORKER
        return EndedReason.LOST if alone else told
    # What ended before the wish was not ended by it.
    if told in _LIKE_A_HANGUP and fact.occurred_at >= asked:
        return EndedReason.API_HANGUP
    return told


def _reached(fact: Fact, call: Row[Any], now: datetime) -> datetime:
    """Say when a status was reached: never in the future, and never before an earlier status.

    A witness on another host has another clock; a record that it made must still read in order.
    """
    earlier = [call.queued_at, *(getattr(call, column) for column in STATUS_TIME.values())]
    return max([min(fact.occurred_at, now), *(time for time in earlier if time is not None)])


def _moved(after: CallStatus, when: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {"status": after.value, "waiting_for": None}
    if after in STATUS_TIME:
        changes[STATUS_TIME[after]] = when
    if after is CallStatus.QUEUED:
        changes |= {"dispatching_at": None, "dialing_at": None}
    return changes


def _verdict(data: Ended) -> dict[str, Any]:
    return data.model_dump(mode="json", exclude={"message", "media_seen"})


#: What a claim left in the attempt's row, wiped when the attempt goes back to the queue.
_UNCLAIMED = {
    "dispatches": 0,
    "dispatched_at": None,
    "trunk": None,
    "lease_owner": None,
    "lease_expires_at": None,
    "worker_id": None,
    "claimed_at": None,
    "agent_joined_at": None,
    "agent_ready_at": None,
    "permit_asked_by": None,
    "sent_at": None,
}


async def _move_attempt(tx: AsyncConnection, fact: Fact, after: CallStatus, when: datetime) -> None:
    state = lifecycle.ATTEMPT_STATE[after]
    values: dict[str, Any] = {"state": state.value}
    if state in _ATTEMPT_TIME:
        values[_ATTEMPT_TIME[state]] = when
    if state is AttemptState.WAITING:
        # The fence moves too: whoever was sent out with the old one comes too late.
        values |= _UNCLAIMED | {"fence": attempts.c.fence + 1}
    await tx.execute(update(attempts).where(*attempt_of(fact)).values(**values))


async def _mark_agent(tx: AsyncConnection, fact: Fact, data: Data, now: datetime) -> None:
    values: dict[str, Any]
    if isinstance(data, AgentJoined):
        values = {"agent_joined_at": now, "worker_id": data.worker_id}
    elif fact.type in (EventType.CALL_AGENT_READY, EventType.CALL_AGENT_RESCUED):
        values = {"agent_ready_at": now}
    else:
        return
    # An agent that reports late finds its attempt back in the queue, or over.
    running = attempts.c.state.not_in([AttemptState.WAITING.value, AttemptState.ENDED.value])
    await tx.execute(update(attempts).where(*attempt_of(fact), running).values(**values))


class OfAttempt(Protocol):
    """Whatever names an attempt: a fact, a claim, a worker's grant."""

    @property
    def tenant_id(self) -> str:
        """The tenant."""
        ...

    @property
    def attempt_id(self) -> str:
        """The attempt."""
        ...


def attempt_of(of: OfAttempt) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Select the row of one attempt, as the tenant's own."""
    return attempts.c.tenant_id == of.tenant_id, attempts.c.id == of.attempt_id
