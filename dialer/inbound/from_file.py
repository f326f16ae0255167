"""The numbers of trunks.yaml, written where calls to them are looked up.

The shelf that `dialer trunks` asks for (``trunks.gateway.Shelf``), over the dialer's own numbers. A
number that is there stays its tenant's; one that is new is the default tenant's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from dialer.adapters.database import Database
from dialer.adapters.tables import inbound_numbers
from dialer.inbound.choice import usable_secret
from dialer.inbound.lookup import find, owned
from dialer.inbound.numbers import InboundNumber, Owned, described
from dialer.inbound.store import Numbers
from dialer.routing.sealing import Sealing, Unsealable
from telephony.call import DEFAULT_TENANT
from trunks.kept import KeptNumber


class NumbersOfFile:
    """The numbers of all tenants.

    Errors: every method raises Unavailable when the database cannot be reached.
    """

    def __init__(
        self, database: Database, sealing: Sealing, *, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._sealing = sealing
        self._now = now

    async def put(self, kept: KeptNumber) -> None:
        """Keep a number, or what is new about it.

        Errors: TelephonyError for what no number can be.
        """
        number = self._described(kept)
        async with self._database.transaction() as tx:
            there = await find(tx, number.number)
            tenant = DEFAULT_TENANT if there is None else there.tenant_id
            await Numbers(tx, tenant, now=self._now).put(number, of_file=kept.deployment)
            marked = update(inbound_numbers).where(inbound_numbers.c.number == number.number)
            await tx.execute(marked.values(deployment=kept.deployment))

    async def list(self) -> Sequence[KeptNumber]:
        """List all."""
        query: Any = select(inbound_numbers).order_by(inbound_numbers.c.number)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [self._kept(owned(row)) for row in rows]

    async def remove(self, name: str) -> bool:
        """Forget one; False where there is none of these digits."""
        gone = delete(inbound_numbers).where(inbound_numbers.c.number == name)
        async with self._database.transaction() as tx:
            return (await tx.execute(gone)).rowcount == 1

    def _described(self, kept: KeptNumber) -> InboundNumber:
        secret = usable_secret(kept.webhook_secret) if kept.webhook_secret else ""
        return described(
            kept.name,
            agent=kept.agent,
            enabled=kept.enabled,
            hours=kept.hours,
            closed_message=kept.closed_message,
            overflow_number=kept.overflow_number,
            blocked_callers=kept.blocked_callers,
            webhook_url=kept.webhook_url,
            webhook_secret_sealed=self._sealing.seal(secret) or None,
        )

    def _kept(self, there: Owned) -> KeptNumber:
        number = there.inbound
        return KeptNumber(
            name=number.number,
            deployment=there.deployment,
            tenant=there.tenant_id,
            agent=number.agent,
            enabled=number.enabled,
            hours=number.hours,
            closed_message=number.closed_message,
            overflow_number=number.overflow_number,
            blocked_callers=number.blocked_callers,
            webhook_url=number.webhook_url,
            webhook_secret=self._opened(number.webhook_secret_sealed),
        )

    def _opened(self, sealed: str | None) -> str | None:
        try:
            return self._sealing.open(sealed or "") or None
        except Unsealable:
            # Nobody can read it any more: it differs from whatever the file has.
            return None
