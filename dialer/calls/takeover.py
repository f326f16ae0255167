"""The transactions of a rescue: who may take an answered call over, and how it is given up.

A rescue moves no status. It gives the attempt a new fence, so that whatever the lost agent still
says or wants is known to be late, and asks for another agent. No permit is given: the phone is off
the hook already. A call that came in and was not answered yet is given away in the same way; its
next agent then answers it as the first one would have.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, events
from dialer.calls.claims import Claim, ending, fact, same_fence, times_seen
from dialer.calls.record import lock_call, record
from dialer.tenants.tokens import AttemptGrant
from telephony.call import AttemptState, CallStatus, Direction, EndedReason
from telephony.dial_request import Rescue, Said
from telephony.events import EventType

_WITH_AGENT = (AttemptState.ANSWERED.value, AttemptState.RINGING.value)
#: An attempt that lost its agent more often than this is given up.
MOST_RESCUES = 2
#: Units: characters. What a rescuer is told of the conversation so far; job metadata is no archive.
_MOST_TOLD = 12_000


@dataclass(frozen=True, slots=True)
class Takeover:
    """A rescue that was begun: by whose fence, with what to tell the next agent.

    Shape: ``rescue`` is None for a call that is yet to be answered.
    """

    mine: Claim
    call: Row[Any]
    number: int
    rescue: Rescue | None


async def begin(tx: AsyncConnection, seen: Row[Any], why: str, *, now: datetime) -> Takeover | None:
    """Take an answered call from its agent; None when it moved on or was rescued too often."""
    call = await lock_call(tx, seen.tenant_id, seen.call_id)
    mine = Claim(seen.tenant_id, seen.call_id, seen.attempt_id, seen.fence + 1, seen.room)
    number = await times_seen(tx, mine, EventType.CALL_AGENT_LOST) + 1
    if not _rescuable(call) or number > MOST_RESCUES:
        return None
    taken = await tx.execute(
        update(attempts)
        .where(
            attempts.c.tenant_id == seen.tenant_id,
            attempts.c.id == seen.attempt_id,
            attempts.c.fence == seen.fence,
            attempts.c.state.in_(_WITH_AGENT),
        )
        .values(
            fence=mine.fence,
            dispatched_at=now,
            worker_id=None,
            agent_joined_at=None,
            agent_ready_at=None,
        )
    )
    if taken.rowcount != 1:
        return None
    lost = fact(
        mine, EventType.CALL_AGENT_LOST, f"agent_lost:{mine.fence}", now, why=why, rescue=number
    )
    await record(tx, lost, now=now)
    rescue = None
    if call.answered_at is not None:
        said = await _transcript(tx, mine)
        rescue = Rescue(number=number, answered_at=call.answered_at, transcript=said)
    return Takeover(mine, call, number, rescue)


async def take(tx: AsyncConnection, granted: AttemptGrant, worker_id: str) -> bool:
    """Give a rescue to the first worker that asks for it; a repeated question changes nothing."""
    taken = await tx.execute(
        update(attempts)
        .where(
            attempts.c.tenant_id == granted.tenant_id,
            attempts.c.id == granted.attempt_id,
            attempts.c.fence == granted.fence,
            attempts.c.state.in_(_WITH_AGENT),
            attempts.c.agent_joined_at.is_(None),
            or_(attempts.c.worker_id.is_(None), attempts.c.worker_id == worker_id),
        )
        .values(worker_id=worker_id)
    )
    return taken.rowcount == 1


async def rescues(connection: AsyncConnection, seen: Row[Any]) -> int:
    """Count how often the attempt was taken over already."""
    return await times_seen(connection, Claim.of(seen), EventType.CALL_AGENT_LOST)


async def give_up(
    tx: AsyncConnection, of: Claim, reason: EndedReason, message: str, *, now: datetime
) -> bool:
    """End an answered call that nobody speaks in; False when it moved on or is another's."""
    call = await lock_call(tx, of.tenant_id, of.call_id)
    if not _rescuable(call) or not await same_fence(tx, of):
        return False
    await record(tx, ending(of, reason, message, now), now=now)
    return True


def _rescuable(call: Row[Any]) -> bool:
    answered = call.status == CallStatus.IN_PROGRESS.value
    rings_here = (
        call.status == CallStatus.RINGING.value and call.direction == Direction.INBOUND.value
    )
    return (answered or rings_here) and call.hangup_requested_at is None


async def _transcript(tx: AsyncConnection, of: Claim) -> list[Said]:
    """Give the newest turns, the oldest of them first."""
    query = (
        select(events.c.data)
        .where(events.c.tenant_id == of.tenant_id, events.c.call_id == of.call_id)
        .where(events.c.type == EventType.CALL_TURN.value)
        .order_by(events.c.sequence.desc())
        .limit(200)
    )
    said: list[Said] = []
    room = _MOST_TOLD
    for turn in (await tx.execute(query)).scalars():
        room -= len(turn["text"])
        if room < 0:
            break
        said.append(Said(speaker=turn["speaker"], text=turn["text"]))
    return said[::-1]
