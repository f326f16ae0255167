"""Tell the queue what it waits for: all of it, or those for whom no trunk is free.

What holds up many calls alike they are told together: a few statements for each batch of them,
however long the queue is. What one call is told alone goes through ``record``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select, tuple_, update

from dialer.adapters.database import Database, needs_transaction
from dialer.adapters.many_rows import insert_rows
from dialer.adapters.tables import attempts, calls, events
from telephony.call import AttemptState, CallStatus, CallType, WaitingFor
from telephony.events import EventType, Source, Waiting

#: What one transaction tells; on SQLite everybody else's writing waits for it.
BATCH = 200
#: A call that waits for more keeps saying so while pacing comes and goes in between.
_KEPT = {WaitingFor.PACING: WaitingFor.CAPACITY}


async def tell_all(
    database: Database, waiting_for: WaitingFor, *, now: datetime
) -> list[tuple[str, str]]:
    """Note it in every waiting call that does not say so yet; gives their tenants and ids."""
    return await _tell_those(database, waiting_for, _unaware(waiting_for), now)


async def tell_some(
    database: Database, waiting_for: WaitingFor, some: list[tuple[str, str]], *, now: datetime
) -> list[tuple[str, str]]:
    """Note it in those of these calls that wait and do not say so yet; gives tenants and ids."""
    told: list[tuple[str, str]] = []
    for first in range(0, len(some), BATCH):
        those = tuple_(calls.c.tenant_id, calls.c.id).in_(some[first : first + BATCH])
        told += await _tell_those(database, waiting_for, [those, *_unaware(waiting_for)], now)
    return told


async def _tell_those(
    database: Database, waiting_for: WaitingFor, those: list[ColumnElement[bool]], now: datetime
) -> list[tuple[str, str]]:
    # Most of a long queue knows already: it is walked through once, and while nobody waits for it.
    async with database.reading() as connection:
        oldest = select(calls.c.queued_at).where(*those).order_by(calls.c.queued_at).limit(1)
        since = (await connection.execute(oldest)).scalar_one_or_none()
    told: list[tuple[str, str]] = []
    while since is not None:
        telling = _Telling(waiting_for, [*those, calls.c.queued_at >= since], now)
        batch = await database.written_together(_tell_batches, telling)
        told += [(row.tenant_id, row.id) for row in batch]
        since = batch[-1].queued_at if len(batch) == BATCH else None
    return told


@dataclass(frozen=True, slots=True)
class _Telling:
    """What is told to those for whom it holds, at most ``BATCH`` of them."""

    waiting_for: WaitingFor
    those: list[ColumnElement[bool]]
    now: datetime


def _tell_batches(connection: Connection, asked: Sequence[_Telling]) -> list[list[Row[Any]]]:
    needs_transaction(connection)
    batches: list[list[Row[Any]]] = []
    for telling in asked:
        batch = _lock_some(connection, telling.those)
        if batch:
            _tell(connection, batch, telling.waiting_for, telling.now)
        batches.append(batch)
    return batches


def _unaware(waiting_for: WaitingFor) -> list[ColumnElement[bool]]:
    known = {waiting_for.value}
    if waiting_for in _KEPT:
        known.add(_KEPT[waiting_for].value)
    return [
        calls.c.status == CallStatus.QUEUED.value,
        calls.c.call_type == CallType.SIP.value,
        calls.c.hangup_requested_at.is_(None),
        or_(calls.c.waiting_for.is_(None), calls.c.waiting_for.not_in(known)),
    ]


def _lock_some(tx: Connection, those: list[ColumnElement[bool]]) -> list[Row[Any]]:
    query: Any = (
        select(calls.c.tenant_id, calls.c.id, calls.c.last_sequence, calls.c.queued_at)
        .where(*those)
        .order_by(calls.c.queued_at, calls.c.tenant_id, calls.c.id)
        .limit(BATCH)
        # What somebody else holds is being moved or told by him; waiting for it, two who lock many
        # calls could wait for each other.
        .with_for_update(skip_locked=True)
    )
    return list(tx.execute(query).all())


def _waiting_attempts(tx: Connection, batch: list[Row[Any]]) -> dict[tuple[str, str], str]:
    """Give the attempts of these calls that wait, by tenant and call.

    Not joined to the calls: right after a burst Postgres' statistics know of no waiting attempts,
    and it would look through all of them for every single call.
    """
    query = select(attempts.c.tenant_id, attempts.c.call_id, attempts.c.id).where(
        attempts.c.tenant_id.in_({row.tenant_id for row in batch}),
        attempts.c.call_id.in_([row.id for row in batch]),
        attempts.c.state == AttemptState.WAITING.value,
    )
    return {(row.tenant_id, row.call_id): row.id for row in tx.execute(query)}


def _tell(tx: Connection, batch: list[Row[Any]], waiting_for: WaitingFor, now: datetime) -> None:
    waiting = _waiting_attempts(tx, batch)
    tx.execute(
        update(calls)
        .where(
            tuple_(calls.c.tenant_id, calls.c.id).in_([(row.tenant_id, row.id) for row in batch])
        )
        .values(waiting_for=waiting_for.value, last_sequence=calls.c.last_sequence + 1)
    )
    said = Waiting(waiting_for=waiting_for).model_dump(mode="json")
    rows: list[dict[str, Any]] = [
        {
            "tenant_id": row.tenant_id,
            "call_id": row.id,
            "sequence": row.last_sequence + 1,
            "attempt_id": waiting.get((row.tenant_id, row.id)),
            "type": EventType.CALL_WAITING.value,
            "source": Source.DIALER.value,
            "source_sequence": f"waiting:{secrets.token_hex(8)}",
            "occurred_at": now,
            "recorded_at": now,
            "data": said,
        }
        for row in batch
    ]
    insert_rows(tx, (events, rows))
