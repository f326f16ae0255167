"""How many calls a trunk carries now.

They are counted where they are: an attempt that was claimed for a trunk has its slot until it ends
or waits again, whoever dies meanwhile. Nothing is handed out, so that nothing can be lost.
"""

from __future__ import annotations

import zlib

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts
from dialer.routing.trunk import Trunk
from telephony.call import AttemptState

_CARRIED = [
    AttemptState.CLAIMED.value,
    AttemptState.SENT.value,
    AttemptState.RINGING.value,
    AttemptState.ANSWERED.value,
]
#: Not known yet whether they reach anybody; nor is it of a caller for whom the overflow number is
#: dialled, whatever the caller's own state.
_ON_THE_WAY = attempts.c.state.in_([AttemptState.CLAIMED.value, AttemptState.SENT.value]) | (
    attempts.c.overflowed_at.is_not(None) & attempts.c.overflow_answered_at.is_(None)
)
#: First half of Postgres' advisory lock of those who take a slot; the second is the trunk's.
_SLOTS = 727003


async def carried(connection: AsyncConnection) -> tuple[dict[str, int], dict[str, int]]:
    """Count the calls of each trunk: all of them, and those on the way to a callee."""
    query = (
        select(attempts.c.trunk, func.count(), func.sum(case((_ON_THE_WAY, 1), else_=0)))
        .where(attempts.c.state.in_(_CARRIED), attempts.c.trunk.is_not(None))
        .group_by(attempts.c.trunk)
    )
    found = (await connection.execute(query)).all()
    all_of_them = {str(trunk): int(number) for trunk, number, _ in found}
    on_the_way = {str(trunk): int(number) for trunk, _, number in found if number}
    return all_of_them, on_the_way


async def free(tx: AsyncConnection, trunk: Trunk) -> bool:
    """Tell whether the trunk has a slot for the call that this transaction claims.

    Shape: who asks for the same trunk waits until this transaction ends, so that two processes
    cannot both see its last slot.
    """
    if trunk.concurrency is None:
        return True
    if tx.dialect.name == "postgresql":
        # SQLite has one writer anyway.
        mine = zlib.crc32(trunk.name.encode()) - 2**31
        await tx.execute(select(func.pg_advisory_xact_lock(_SLOTS, mine)))
    query = select(func.count()).where(
        attempts.c.trunk == trunk.name, attempts.c.state.in_(_CARRIED)
    )
    return int((await tx.execute(query)).scalar_one()) < trunk.concurrency
