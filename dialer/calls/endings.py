"""How many calls ended, and how: counted when they end, as all of them are too many to count.

Each count is kept in parts, so that calls that end at the same moment rarely wait for each other.
"""

from __future__ import annotations

import zlib
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import ended_calls

_PARTS: Final = 16


async def count(tx: AsyncConnection, call_id: str, outcome: str, reason: str) -> None:
    """Count the call that this transaction ends."""
    insert = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    one = insert(ended_calls).values(
        outcome=outcome,
        ended_reason=reason,
        part=zlib.crc32(call_id.encode()) % _PARTS,
        calls=1,
    )
    key = ["outcome", "ended_reason", "part"]
    more = {"calls": ended_calls.c.calls + one.excluded.calls}
    await tx.execute(one.on_conflict_do_update(index_elements=key, set_=more))


async def counted(connection: AsyncConnection) -> dict[tuple[str, str], int]:
    """Give how many calls ended, by outcome and reason."""
    how = ended_calls.c.outcome, ended_calls.c.ended_reason
    query = select(*how, func.sum(ended_calls.c.calls)).group_by(*how)
    rows = (await connection.execute(query)).all()
    return {(str(outcome), str(reason)): int(calls) for outcome, reason, calls in rows}
