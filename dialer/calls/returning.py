"""A permit that comes back: its holder knows that nobody was rung with it.

LiveKit says so while it still looks for a bridge: none offered to take the call. A carrier says so
with the final response to an INVITE that came too fast, or one that it never passed on. A bridge
that loses a refusal shows by how
soon it fails that there was one. Then nobody was rung and nobody will be, so that the attempt may
wait again as if it had never been sent. The attempt's fence moves with it: whoever held the permit
has none any more, and the next holder's is a new one. Whoever cannot be sure returns nothing; see
``agent.verdicts``: ``no_bridge_took_it``, ``carrier_wants_fewer``, ``refusal_lost``,
``refused_by_trunk``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, events
from dialer.calls import claims
from dialer.calls.claims import Claim
from dialer.calls.permit import call_of, refused
from dialer.calls.record import Fact, attempt_of, lock_call, record
from dialer.routing import health
from dialer.routing.choose import Wish, fitting
from dialer.routing.trunk import Trunk
from dialer.tenants.tokens import AttemptGrant
from telephony.call import AttemptState, CallStatus, CallType, EndedReason, WaitingFor
from telephony.events import EventType
from telephony.worker_contract import ReturnReason

#: A call whose permits come back for so long, since the first of them did, is not tried again.
_PATIENCE = timedelta(seconds=60)
#: And not before so many: one that waited for a seat in between was not tried all that time.
_LEAST_RETURNS = 6
#: A refusal that is lost once is lost by chance; a carrier that refuses is not asked on and on.
_MOST_LOST_REFUSALS = 2
#: A trunk's own refusals: without another trunk they are the end.
REFUSALS = frozenset(
    {ReturnReason.TRUNK_UNAVAILABLE, ReturnReason.TRUNK_ERROR, ReturnReason.TRUNK_AUTH}
)
#: Long enough for the agent that leaves to hear that it may.
_BETWEEN_TRUNKS = timedelta(milliseconds=250)
#: What another trunk may not say.
_TRUNKS_OWN = REFUSALS | {ReturnReason.TOO_FAST}
#: How many trunks are tried for one call.
_MOST_TRUNKS = 4
#: How long a call rests before it is tried again, doubled with each return up to the longest.
_SHORTEST_REST = {
    ReturnReason.NO_BRIDGE: timedelta(seconds=2),
    ReturnReason.TOO_FAST: timedelta(seconds=1),
    ReturnReason.REFUSAL_LOST: timedelta(seconds=1),
}
_WAITS_FOR = {
    ReturnReason.NO_BRIDGE: WaitingFor.BRIDGE,
    ReturnReason.TOO_FAST: WaitingFor.PACING,
    ReturnReason.REFUSAL_LOST: WaitingFor.BRIDGE,
}
_LONGEST_REST = timedelta(seconds=10)
#: What the witness's number of a return begins with; its reason follows.
_RETURNED = "returned:"
#: And that of a withdrawal.
_WITHDRAWN = "withdrawn:"
#: A call whose agents have heard no answer so often, for so long, finds nobody to dial it.
_MOST_WITHDRAWALS = 6
_NOT_DIALLED = "hung up before it was dialled"


async def trunk_of(connection: AsyncConnection, grant: AttemptGrant) -> str | None:
    """Name the trunk that this permit was given for; None where the attempt moved on."""
    query = select(attempts.c.trunk).where(*attempt_of(grant), attempts.c.fence == grant.fence)
    return (await connection.execute(query)).scalar_one_or_none()


async def take_back(
    tx: AsyncConnection,
    grant: AttemptGrant,
    why: ReturnReason,
    *,
    trunks: Sequence[Trunk] = (),
    now: datetime,
) -> str:
    """Let the attempt wait again; gives the call's id.

    Shape: where one of ``trunks`` can carry the call that has not refused it yet, it is that one's
    turn, at once; else it waits for what held it up, and a trunk's own refusal is the end. A call
    whose hang-up was asked for ends canceled instead, one that found no bridge for too long ends
    as bridge_lost. A second return of the same permit changes nothing.
    Errors: Conflict ``permit_refused`` when the attempt is not, or no more, where a permit left it,
    or when the carrier refused for so long, or so often, that its words are the end.
    """
    call_id = await call_of(tx, grant)
    call = await lock_call(tx, grant.tenant_id, call_id)
    attempt = await _attempt(tx, grant)
    if attempt.fence > grant.fence:
        return call_id  # returned before; the answer was lost
    if attempt.fence != grant.fence or attempt.state != AttemptState.SENT.value:
        raise refused()
    if call.status != CallStatus.DIALING.value:
        raise refused()
    mine = Claim(grant.tenant_id, call_id, grant.attempt_id, grant.fence, attempt.room)
    times, first = await _told(tx, mine, _RETURNED)
    if call.hangup_requested_at is not None:
        over = claims.ending(mine, EndedReason.API_HANGUP, _NOT_DIALLED, now)
        await record(tx, over, now=now)
    elif why in _TRUNKS_OWN and _another(trunks, call, attempt):
        await _to_another(tx, mine, attempt, why, now)
    elif why in REFUSALS or (
        why is ReturnReason.REFUSAL_LOST and await _refusals_lost(tx, mine) >= _MOST_LOST_REFUSALS
    ):
        raise refused()
    elif first is not None and now - first >= _PATIENCE and times >= _LEAST_RETURNS:
        if why is ReturnReason.TOO_FAST:
            raise refused()
        over = claims.ending(mine, EndedReason.BRIDGE_LOST, "no bridge is there", now)
        await record(tx, over, now=now)
    else:
        await _rest(tx, mine, why, times, now)
    return call_id


async def withdraw(
    tx: AsyncConnection, grant: AttemptGrant, asked_by: str, *, now: datetime
) -> str:
    """Let the attempt of an asker that heard no answer and left wait again; gives the call's id.

    Shape: whether its permit was given or not, unless somebody else has it. Only a phone's: a
    browser's call is not dialled, and waits for no turn.
    """
    call_id = await call_of(tx, grant)
    call = await lock_call(tx, grant.tenant_id, call_id)
    attempt = await _attempt(tx, grant)
    undialled = {
        AttemptState.CLAIMED.value: CallStatus.DISPATCHING.value,
        AttemptState.SENT.value: CallStatus.DIALING.value,
    }
    # A permit whose asker is not known may be anybody's, and in use.
    theirs = attempt.state == AttemptState.CLAIMED.value and attempt.permit_asked_by is None
    if (
        call.call_type != CallType.SIP.value
        or attempt.fence != grant.fence
        or call.status != undialled.get(attempt.state)
        or not (theirs or attempt.permit_asked_by == asked_by)
    ):
        return call_id
    mine = Claim(grant.tenant_id, call_id, grant.attempt_id, grant.fence, attempt.room)
    times, first = await _told(tx, mine, _WITHDRAWN)
    if call.hangup_requested_at is not None:
        await record(tx, claims.ending(mine, EndedReason.API_HANGUP, _NOT_DIALLED, now), now=now)
    elif first is not None and now - first >= _PATIENCE and times >= _MOST_WITHDRAWALS:
        message = "no agent heard the dialer's answer"
        await record(tx, claims.ending(mine, EndedReason.NO_AGENT, message, now), now=now)
    else:
        back = claims.fact(mine, EventType.CALL_REQUEUED, f"{_WITHDRAWN}{mine.fence}", now)
        await _requeue(tx, mine, back, WaitingFor.WORKER, timedelta(seconds=1) * 2 ** min(times, 8))
    return call_id


async def times_returned(connection: AsyncConnection, of: Claim) -> int:
    """Count how often an agent of this attempt was there and left it, as it should."""
    returned, _ = await _told(connection, of, _RETURNED)
    withdrawn, _ = await _told(connection, of, _WITHDRAWN)
    return returned + withdrawn


async def _rest(
    tx: AsyncConnection, mine: Claim, why: ReturnReason, times: int, now: datetime
) -> None:
    sequence = f"{_RETURNED}{why.value}:{mine.fence}"
    back = claims.fact(mine, EventType.CALL_REQUEUED, sequence, now)
    await _requeue(tx, mine, back, _WAITS_FOR[why], _SHORTEST_REST[why] * 2 ** min(times, 8))


def _another(trunks: Sequence[Trunk], call: Row[Any], attempt: Row[Any]) -> bool:
    """Tell whether the call can leave by a trunk that it has not tried."""
    refused_by = {*(attempt.refused_by or ()), attempt.trunk}
    given = call.caller_id if call.caller_id_given else None
    return len(refused_by) < _MOST_TRUNKS and bool(
        fitting(trunks, Wish(call.phone_number, given, refused_by))
    )


async def _to_another(
    tx: AsyncConnection, mine: Claim, attempt: Row[Any], why: ReturnReason, now: datetime
) -> None:
    """Let the attempt leave by another trunk; this one is not tried again for it."""
    if why in REFUSALS:
        await health.note_refusal(tx, mine.attempt_id, mine.fence, attempt.trunk, why, now)
    sequence = f"{_RETURNED}{why.value}:{mine.fence}"
    back = claims.fact(
        mine, EventType.CALL_REQUEUED, sequence, now, trunk=attempt.trunk, why=why.value
    )
    await _requeue(tx, mine, back, WaitingFor.TRUNK, _BETWEEN_TRUNKS)
    tried = [*(attempt.refused_by or ()), attempt.trunk]
    await tx.execute(update(attempts).where(*attempt_of(mine)).values(refused_by=tried))


async def _requeue(
    tx: AsyncConnection, mine: Claim, back: Fact, waiting_for: WaitingFor, rest: timedelta
) -> None:
    now = back.occurred_at
    await record(tx, back, now=now)
    await claims.say_waiting(tx, mine, waiting_for, now)
    rest = min(rest, _LONGEST_REST) * random.uniform(0.5, 1.0)
    await tx.execute(update(attempts).where(*attempt_of(mine)).values(lease_expires_at=now + rest))


async def _refusals_lost(connection: AsyncConnection, of: Claim) -> int:
    return (await _told(connection, of, f"{_RETURNED}{ReturnReason.REFUSAL_LOST.value}:"))[0]


async def _told(
    connection: AsyncConnection, of: Claim, sequence: str
) -> tuple[int, datetime | None]:
    """Count the events whose witness's number begins so, and tell when the first came."""
    query = select(func.count(), func.min(events.c.sequence)).where(
        events.c.tenant_id == of.tenant_id,
        events.c.call_id == of.call_id,
        events.c.attempt_id == of.attempt_id,
        events.c.source_sequence.startswith(sequence, autoescape=True),
    )
    times, first = (await connection.execute(query)).one()
    if first is None:
        return 0, None
    when = select(events.c.recorded_at).where(
        events.c.tenant_id == of.tenant_id,
        events.c.call_id == of.call_id,
        events.c.sequence == first,
    )
    return int(times), (await connection.execute(when)).scalar_one()


async def _attempt(tx: AsyncConnection, grant: AttemptGrant) -> Row[Any]:
    query: Any = select(attempts).where(*attempt_of(grant))
    return (await tx.execute(query)).one()
