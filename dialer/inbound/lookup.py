"""Look over all tenants: who calls in names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, calls, inbound_numbers
from dialer.calls.claims import Claim
from dialer.calls.record import OfAttempt, attempt_of
from dialer.inbound.numbers import InboundNumber, Owned
from telephony.errors import NotFound
from telephony.opening_hours import Hours


async def find(connection: AsyncConnection, number: str) -> Owned | None:
    """Tell whose a number is."""
    query: Any = select(inbound_numbers).where(inbound_numbers.c.number == number)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else owned(row)


async def number_of(connection: AsyncConnection, of: Claim) -> str | None:
    """Give the number of ours that a call came to."""
    query = select(calls.c.phone_number).where(
        calls.c.tenant_id == of.tenant_id, calls.c.id == of.call_id
    )
    return (await connection.execute(query)).scalar_one_or_none()


async def attempt_with_call(connection: AsyncConnection, of: OfAttempt) -> Row[Any]:
    """Give an attempt with what its call says of the number and of its own state.

    Errors: NotFound.
    """
    mine = (calls.c.tenant_id == attempts.c.tenant_id) & (calls.c.id == attempts.c.call_id)
    query: Any = (
        select(
            attempts.c.tenant_id,
            attempts.c.call_id,
            attempts.c.id.label("attempt_id"),
            attempts.c.fence,
            attempts.c.room,
            attempts.c.overflowed_at,
            attempts.c.announcement,
            calls.c.status,
            calls.c.direction,
            calls.c.phone_number,
        )
        .join(calls, mine)
        .where(*attempt_of(of))
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("not_found", "There is no such attempt.")
    return row


async def rooms_of_calls(connection: AsyncConnection, names: Sequence[str]) -> set[str]:
    """Tell which of these rooms belong to a call."""
    query: Any = select(attempts.c.room).where(attempts.c.room.in_(names))
    return set((await connection.execute(query)).scalars())


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
            webhook_url=row.webhook_url,
            webhook_secret_sealed=row.webhook_secret_sealed,
        ),
        deployment=row.deployment,
    )
