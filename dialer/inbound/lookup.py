"""Look over all tenants: who calls in names none."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, inbound_numbers
from dialer.inbound.hours import Hours
from dialer.inbound.numbers import InboundNumber, Owned


async def find(connection: AsyncConnection, number: str) -> Owned | None:
    """Tell whose a number is."""
    query: Any = select(inbound_numbers).where(inbound_numbers.c.number == number)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else owned(row)


async def offered_before(connection: AsyncConnection, bridge_call_id: str) -> Row[Any] | None:
    """Give the attempt of a call that the bridge knows by this name, whosever it is."""
    query: Any = select(
        attempts.c.tenant_id,
        attempts.c.call_id,
        attempts.c.id.label("attempt_id"),
        attempts.c.room,
        attempts.c.fence,
        attempts.c.permit_asked_by,
        attempts.c.announcement,
    ).where(attempts.c.bridge_call_id == bridge_call_id)
    return (await connection.execute(query)).one_or_none()


def owned(row: Row[Any]) -> Owned:
    """Read a row of numbers."""
    return Owned(
        row.tenant_id,
        row.id,
        InboundNumber(
            number=row.number,
            agent=row.agent,
            enabled=row.enabled,
            hours=None if row.hours is None else Hours.model_validate(row.hours),
            closed_message=row.closed_message,
            overflow_number=row.overflow_number,
            blocked_callers=tuple(row.blocked_callers),
        ),
    )
