"""Tell the queue what it waits for: all of it, or those for whom no trunk is free.

What holds up many calls alike they are told together: a few statements for each batch of them,
however long the queue is. What one call is told alone goes through ``record``.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.database import Database
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
    async with database.reading() as connection:
        some = select(calls.c.id).where(*those).limit(1)
        if (await connection.execute(some)).one_or_none() is None:
            return []
    told: list[tuple[str, str]] = []
    while True:
        async with database.transaction() as tx:
            batch = await _lock_some(tx, those)
            if batch:
                await _tell(tx, batch, waiting_for, now)
        told += [(row.tenant_id, row.id) for row in batch]
        if len(batch) < BATCH:
            return told


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


async def _lock_some(tx: AsyncConnection, those: list[ColumnElement[bool]]) -> list[Row[Any]]:
    mine = (attempts.c.tenant_id == calls.c.tenant_id) & (attempts.c.call_id == calls.c.id)
    query: Any = (
        select(
            calls.c.tenant_id, calls.c.id, calls.c.last_sequence, attempts.c.id.label("attempt_id")
        )
        .join(attempts, mine & (attempts.c.state == AttemptState.WAITING.value))
        .where(*those)
        .order_by(calls.c.queued_at, calls.c.tenant_id, calls.c.id)
        .limit(BATCH)
        # What somebody else holds is being moved or told by him; waiting for it, two who lock many
        # calls could wait for each other.
        .with_for_update(of=calls, skip_locked=True)
    )
    return list((await tx.execute(query)).all())


async def _tell(
    tx: AsyncConnection, batch: list[Row[Any]], waiting_for: WaitingFor, now: datetime
) -> None:
    await tx.execute(
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
            "attempt_id": row.attempt_id,
            "type": EventType.CALL_WAITING.value,
            "source": Source.DIALER.value,
            "source_sequence": f"waiting:{secrets.token_hex(8)}",
            "occurred_at": now,
            "recorded_at": now,
            "data": said,
        }
        for row in batch
    ]
    await tx.run_sync(insert_rows, (events, rows))
