"""A tenant's own numbers in the database."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import inbound_numbers, tenants
from dialer.inbound.lookup import find, owned
from dialer.inbound.numbers import InboundNumber, Owned, circles
from telephony.errors import Conflict, NotFound, Refused


class Numbers:
    """The numbers of one tenant, on one connection."""

    def __init__(
        self,
        tx: AsyncConnection,
        tenant_id: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tx = tx
        self._tenant_id = tenant_id
        self._now = now

    async def put(self, number: InboundNumber, *, of_file: str | None = None) -> str:
        """Keep a number, or what is new about it; gives its id.

        Shape: ``of_file`` is the deployment of the file that has the number: its own numbers were
        compared with each other, and are changed one after another. Errors: NotFound when there is
        no such tenant; Conflict ``number_taken`` when the number is another tenant's; Refused
        ``invalid_value`` when its callers would come back to us.
        """
        await self._refuse_circles(number, of_file)
        kept = await find(self._tx, number.number)
        if kept is not None:
            if kept.tenant_id != self._tenant_id:
                raise _taken()
            await self._tx.execute(
                update(inbound_numbers)
                .where(*self._mine(inbound_numbers.c.id == kept.id))
                .values(**_columns(number), updated_at=self._now())
            )
            return kept.id
        return await self._add(number)

    async def _add(self, number: InboundNumber) -> str:
        known = select(tenants.c.id).where(tenants.c.id == self._tenant_id)
        if (await self._tx.execute(known)).one_or_none() is None:
            raise NotFound("not_found", "There is no such tenant.")
        number_id, now = f"num_{secrets.token_hex(12)}", self._now()
        row = {"tenant_id": self._tenant_id, "id": number_id, "created_at": now, "updated_at": now}
        row["deployment"] = ""  # who writes it for a file says so himself
        try:
            await self._tx.execute(insert(inbound_numbers).values(**row, **_columns(number)))
        except IntegrityError:
            # Somebody else was faster by a moment.
            raise _taken() from None
        return number_id

    async def _refuse_circles(self, number: InboundNumber, of_file: str | None) -> None:
        if not number.enabled:
            return
        others: Any = select(inbound_numbers.c.id).where(
            inbound_numbers.c.enabled.is_(True), inbound_numbers.c.number != number.number
        )
        if of_file is not None:
            others = others.where(inbound_numbers.c.deployment != of_file)
        ours = others.where(inbound_numbers.c.number == number.overflow_number)
        if (await self._tx.execute(ours.limit(1))).first() is not None:
            raise circles("is answered here as well")
        comes_here = others.where(inbound_numbers.c.overflow_number == number.number)
        if (await self._tx.execute(comes_here.limit(1))).first() is not None:
            said = "Calls to another number of ours overflow to this one: change that one first."
            raise Refused("invalid_value", said, field="number")

    async def list(self) -> list[Owned]:
        """List them, in the order of their digits."""
        query: Any = select(inbound_numbers).where(*self._mine()).order_by(inbound_numbers.c.number)
        return [owned(row) for row in await self._tx.execute(query)]

    async def remove(self, number: str) -> None:
        """Forget a number.

        Errors: NotFound, the same for another tenant's.
        """
        gone = await self._tx.execute(
            delete(inbound_numbers).where(*self._mine(inbound_numbers.c.number == number))
        )
        if gone.rowcount != 1:
            raise NotFound("not_found", "There is no such number.")

    def _mine(self, *also: Any) -> tuple[Any, ...]:
        return (inbound_numbers.c.tenant_id == self._tenant_id, *also)


def _taken() -> Conflict:
    return Conflict("number_taken", "The number belongs to another tenant.", field="number")


def _columns(number: InboundNumber) -> dict[str, Any]:
    return {
        "number": number.number,
        "agent": number.agent,
        "enabled": number.enabled,
        "hours": None if number.hours is None else number.hours.model_dump(mode="json"),
        "closed_message": number.closed_message,
        "overflow_number": number.overflow_number,
        "blocked_callers": [*number.blocked_callers],
        "webhook_url": number.webhook_url,
        "webhook_secret_sealed": number.webhook_secret_sealed,
    }
