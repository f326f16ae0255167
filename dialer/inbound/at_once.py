"""How many callers of one number are at its overflow number now, each of whom is a call we pay.

They are counted where they are, as the slots of trunks are: an attempt that dials or has reached
the overflow number names a trunk until it ends or moves on to the apology, whoever dies meanwhile.
Nothing is handed out, so that nothing can be lost.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, calls
from telephony.call import AttemptState

_OPEN: Final = (AttemptState.RINGING.value, AttemptState.ANSWERED.value)
#: First half of Postgres' advisory lock of those who dial on; the second is the called number's.
_OVERFLOWS: Final = 727004


async def full(connection: AsyncConnection, called: str, most: int) -> bool:
    """Tell whether as many callers of a number of ours as may are at its overflow number."""
    mine = (calls.c.tenant_id == attempts.c.tenant_id) & (calls.c.id == attempts.c.call_id)
    query: Any = (
        select(func.count())
        .select_from(attempts.join(calls, mine))
        .where(
            attempts.c.state.in_(_OPEN),
            attempts.c.overflowed_at.is_not(None),
            attempts.c.trunk.is_not(None),
            calls.c.phone_number == called,
        )
    )
    return int((await connection.execute(query)).scalar_one()) >= most


async def free(tx: AsyncConnection, called: str, most: int) -> bool:
    """Tell whether the caller whom this transaction takes may be sent on, too.

    Shape: who asks for the same number waits until this transaction ends, so that two processes
    cannot both see its last place.
    """
    if tx.dialect.name == "postgresql":
        # SQLite has one writer anyway.
        number = zlib.crc32(called.encode()) - 2**31
        await tx.execute(select(func.pg_advisory_xact_lock(_OVERFLOWS, number)))
    return not await full(tx, called, most)
