"""Forget what was kept for a time only: idempotency keys, and what trunks' health is told by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select, tuple_

from dialer.adapters.database import Database
from dialer.adapters.tables import idempotency_keys
from dialer.calls.looping import keep_going
from dialer.routing import health

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: How long the same Idempotency-Key gives the first answer again.
KEY_LIFE = timedelta(days=7)
#: Units: seconds.
_EVERY = 3600.0
_BATCH = 500


class Forgetting:
    """The loop that forgets."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def run(self) -> None:
        """Forget until cancelled."""
        await keep_going("forget", self.step)

    async def step(self) -> float:
        """Forget one batch of each; gives the seconds to the next one."""
        most = max(await self._forget_keys(), await self._forget_uses())
        return 0.0 if most == _BATCH else _EVERY

    async def _forget_keys(self) -> int:
        keys = idempotency_keys
        old = (
            select(keys.c.tenant_id, keys.c.key)
            .where(keys.c.created_at < self._now() - KEY_LIFE)
            .limit(_BATCH)
        )
        async with self._database.reading() as connection:
            found = [(row.tenant_id, row.key) for row in (await connection.execute(old)).all()]
        if found:
            async with self._database.transaction() as tx:
                gone = tuple_(keys.c.tenant_id, keys.c.key).in_(found)
                await tx.execute(delete(keys).where(gone))
            log.info("idempotency keys forgotten", count=len(found))
        return len(found)

    async def _forget_uses(self) -> int:
        async with self._database.transaction() as tx:
            return await health.forget(tx, now=self._now(), most=_BATCH)
