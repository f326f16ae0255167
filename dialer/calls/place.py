"""Place a call: ask whether it may leave, then write it down, once.

A sip call is written as queued and nothing has touched the network when its answer is sent. A voip
call is written as claimed, and its room made with the agent inside before the answer, because the
browser needs a room to join.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.admission.caller_id import caller_id
from dialer.admission.destinations import allowed_country, destination
from dialer.admission.trunks import numbers_for, some_trunk
from dialer.admission.workers import check_seat, workers_there
from dialer.calls import claims, idempotency
from dialer.calls.briefing import dial_request, room_name
from dialer.calls.claims import Claim
from dialer.calls.idempotency import First, Keyring, KeyTaken
from dialer.calls.newcomers import Key, Newcomer, write_down
from dialer.calls.record import record
from dialer.calls.rooms import Dispatch
from dialer.calls.schemas import PlaceCall
from dialer.calls.store import Calls
from dialer.calls.view import call_view, new_call_view
from dialer.failpoints import Failpoint, passing
from dialer.problems import BadRequest
from dialer.wiring import Services
from telephony.call import (
    AttemptState,
    CallStatus,
    CallType,
    Direction,
    EndedReason,
    new_attempt_id,
    new_call_id,
)
from telephony.errors import Unavailable
from telephony.events import EventType
from telephony.worker_contract import BROWSER_IDENTITY

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: How long LiveKit may take to make a voip call's room before somebody else looks after it.
LEASE = timedelta(seconds=15)
#: How long a participant token opens its room.
TOKEN_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to a request for a call; ``replayed`` where it was given before."""

    body: dict[str, Any]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One request for a call, as it is carried out."""

    tenant_id: str
    command: PlaceCall
    key: str | None
    body_hash: str


async def place(order: Order, wired: Services) -> Placed:
    """Place the call, or give the first answer to the same request again.

    Errors: what ``admission`` refuses with; ``idempotency_mismatch`` and ``idempotency_in_flight``;
    Unavailable when the database, or for voip LiveKit or a worker, is missing.
    """
    if order.key is not None:
        first = await _first(order, wired)
        if first is not None:
            return first
    try:
        if order.command.call_type is CallType.VOIP:
            return await _place_voip(order, wired)
        return await _place_sip(order, wired)
    except KeyTaken:
        first = await _first(order, wired)
        if first is None:
            raise Unavailable(
                "database_unavailable", "The request met itself; send it again.", retry_after=1
            ) from None
        return first


async def _first(order: Order, wired: Services) -> Placed | None:
    assert order.key is not None
    first = await idempotency.first(
        wired.database, order.tenant_id, order.key, order.body_hash, now=wired.now()
    )
    if first is None:
        return None
    if order.command.call_type is CallType.SIP and first.body is not None:
        return Placed(first.body, replayed=True)
    return await _again(first, order, wired)


async def _again(first: First, order: Order, wired: Services) -> Placed:
    async with wired.database.reading() as connection:
        calls = Calls(connection, order.tenant_id)
        body = first.body
        if body is None:
            body = call_view(await calls.get(first.call_id)).model_dump(mode="json")
        attempt = await calls.newest_attempt(first.call_id)
    # Participant tokens are not kept: a new one for the same room, as long as there is one.
    if order.command.call_type is CallType.SIP or attempt.state == AttemptState.ENDED.value:
        return Placed(body, replayed=True)
    return Placed(body | _way_in(attempt.room, wired), replayed=True)


def _way_in(room: str, wired: Services) -> dict[str, Any]:
    return {
        "room": room,
        "livekit_url": wired.livekits.of(room).browser_url,
        "participant_token": wired.rooms.token(room, BROWSER_IDENTITY, TOKEN_LIFE),
    }


async def _place_sip(order: Order, wired: Services) -> Placed:
    await wired.queue_limit.turn_away(wired.database, order.tenant_id)
    callee = destination(order.command.phone_number)
    trunks = await wired.directory.trunks()
    wanted = order.command.caller_id
    owned = numbers_for(callee, wanted, trunks, wired.settings.sip_caller_ids)
    caller = caller_id(wanted, owned, callee=callee)
    allowed_country(callee, wired.directory.countries)
    some_trunk(callee, None if wanted is None else str(caller), trunks)
    wired.agents.resolve(order.command.agent, order.command.variables)
    now = wired.now()
    call = _call_row(order, now) | {
        "phone_number": str(callee),
        "phone_number_given": order.command.phone_number,
        "caller_id": str(caller),
        "caller_id_given": wanted is not None,
    }
    body = new_call_view(call).model_dump(mode="json")
    key = None if order.key is None else Key(order.key, order.body_hash, body)
    newcomer = Newcomer(order.tenant_id, call, _attempt_row(now), key, now, wired.queue_limit)
    await wired.database.written_together(write_down, newcomer)
    passing(Failpoint.PLACE_AFTER_COMMIT)
    # Nobody can watch a call whose id was never told: only the dispatcher needs to know.
    await wired.signals.work_waiting()
    return Placed(body)


async def _place_voip(order: Order, wired: Services) -> Placed:
    for name in ("phone_number", "caller_id"):
        if getattr(order.command, name) is not None:
            raise BadRequest("invalid_value", "A voip call rings no number.", field=name)
    wired.agents.resolve(order.command.agent, order.command.variables)
    livekit = wired.livekits.current
    workers = await workers_there(livekit.presence)
    now = wired.now()
    call, attempt = _call_row(order, now), _attempt_row(now)
    mine = Claim(
        order.tenant_id,
        call["id"],
        attempt["id"],
        fence=1,
        room=room_name(livekit.realm.deployment, attempt["id"]),
    )
    async with wired.database.transaction() as tx:
        body = await _write_voip(tx, order, call, attempt, mine, now)
        await check_seat(tx, workers)
    await _open_room(order, call, mine, wired)
    async with wired.database.transaction() as tx:
        in_time = await claims.opened(tx, mine, now=wired.now())
        if in_time and order.key is not None:
            await Keyring(tx, order.tenant_id).answered(order.key, body)
    if not in_time:
        # It was hung up, or taken for lost, while LiveKit took its time.
        await _give_up(order, mine, wired)
        raise Unavailable("media_server_unavailable", "The room was open too late.", retry_after=1)
    await wired.signals.call_changed(order.tenant_id, call["id"])
    return Placed(body | _way_in(mine.room, wired))


async def _write_voip(
    tx: AsyncConnection,
    order: Order,
    call: dict[str, Any],
    attempt: dict[str, Any],
    mine: Claim,
    now: datetime,
) -> dict[str, Any]:
    # A claim like the dispatcher's: should this process die before the room is made, the lease
    # runs out and the dispatcher opens the room, or ends the call.
    claimed = {
        "fence": mine.fence,
        "dispatches": 1,
        "room": mine.room,
        "lease_owner": "place",
        "lease_expires_at": now + LEASE,
    }
    calls = Calls(tx, order.tenant_id)
    await calls.insert(call, attempt | claimed)
    await record(tx, claims.fact(mine, EventType.CALL_QUEUED, "queued", now), now=now)
    dispatching = claims.fact(
        mine, EventType.CALL_DISPATCHING, f"dispatching:{mine.fence}", now, dispatch=1
    )
    await record(tx, dispatching, now=now)
    body = call_view(await calls.get(call["id"])).model_dump(mode="json")
    await _keep(tx, order, call["id"], None, now)
    return body


async def _open_room(order: Order, call: dict[str, Any], mine: Claim, wired: Services) -> None:
    request = dial_request(
        call | {"tenant_id": order.tenant_id},
        attempt_id=mine.attempt_id,
        fence=mine.fence,
        trunk_id=None,
        agents=wired.agents,
        tokens=wired.tokens,
    )
    dispatch = Dispatch(wired.settings.livekit_agent_name, request.to_metadata())
    try:
        await wired.rooms.create(mine.room, dispatch)
    except Unavailable:
        await _give_up(order, mine, wired)
        raise


async def _give_up(order: Order, mine: Claim, wired: Services) -> None:
    """End the call that got no room; its record stays, its key does not."""
    async with wired.database.transaction() as tx:
        # The browser is told that there is no call: whoever holds the claim by now, it ends.
        held = await Calls(tx, order.tenant_id).newest_attempt(mine.call_id)
        await claims.give_up(
            tx,
            replace(mine, fence=held.fence),
            EndedReason.MEDIA_SERVER_LOST,
            "LiveKit could not be reached to open the room",
            now=wired.now(),
            despite_agent=True,
        )
        if order.key is not None:
            await Keyring(tx, order.tenant_id).forget(order.key)
    await wired.signals.call_changed(order.tenant_id, mine.call_id)
    # LiveKit may have made the room without being able to say so; else the reaper finds it.
    with contextlib.suppress(Unavailable):
        await wired.rooms.delete(mine.room)


async def _keep(
    tx: AsyncConnection, order: Order, call_id: str, body: dict[str, Any] | None, now: datetime
) -> None:
    if order.key is not None:
        await Keyring(tx, order.tenant_id).keep(order.key, order.body_hash, call_id, body, now=now)


def _call_row(order: Order, now: datetime) -> dict[str, Any]:
    command = order.command
    return {
        "id": str(new_call_id(now)),
        "call_type": command.call_type.value,
        "direction": Direction.OUTBOUND.value,
        "status": CallStatus.QUEUED.value,
        "phone_number": None,
        "phone_number_given": None,
        "caller_id": None,
        "agent": command.agent,
        "variables": command.variables,
        "metadata": command.metadata,
        "ring_timeout_seconds": command.ring_timeout_seconds,
        "max_duration_seconds": command.max_duration_seconds,
        "queued_at": now,
        "last_sequence": 0,
    }


def _attempt_row(now: datetime) -> dict[str, Any]:
    return {
        "id": str(new_attempt_id(now)),
        "number": 1,
        "state": AttemptState.WAITING.value,
        "fence": 0,
        "dispatches": 0,
        "created_at": now,
    }
