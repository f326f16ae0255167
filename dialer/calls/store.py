"""One tenant's calls. Every statement starts from the tenant: there is no way to leave it out."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, and_, case, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, calls, events, tenants
from dialer.problems import BadRequest
from telephony.call import CallStatus, CallType, Direction, Outcome, WaitingFor
from telephony.errors import NotFound

_CALL_ID = re.compile(r"call_[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls are wanted; None means any.

    Shape: ``created_from`` is included, ``created_to`` is not.
    """

    status: CallStatus | None = None
    outcome: Outcome | None = None
    call_type: CallType | None = None
    direction: Direction | None = None
    phone_number: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list of calls: the last one that was given."""

    queued_at: datetime
    id: str

    def __str__(self) -> str:
        text = f"{self.queued_at.astimezone(UTC).isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor that we gave.

        Errors: BadRequest ``invalid_cursor``.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            when, _, call_id = (
                base64.urlsafe_b64decode(padded.encode("ascii")).decode().partition(" ")
            )
            queued_at = datetime.fromisoformat(when)
        except (ValueError, binascii.Error, UnicodeError):
            raise _bad_cursor() from None
        if queued_at.tzinfo is None or not _CALL_ID.match(call_id):
            raise _bad_cursor()
        return cls(queued_at, call_id)


def _bad_cursor() -> BadRequest:
    return BadRequest("invalid_cursor", "The cursor is not one of ours.", field="cursor")


class Calls:
    """The calls of one tenant, on one connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    @property
    def tenant_id(self) -> str:
        """Name the tenant whose calls these are."""
        return self._tenant_id

    def _mine(self, table: Table, *columns: Any) -> Select[Any]:
        query: Any = select(*columns) if columns else select(table)
        return query.select_from(table).where(table.c.tenant_id == self._tenant_id)

    def _views(self) -> Select[Any]:
        made = (
            select(func.count())
            .select_from(attempts)
            .where(attempts.c.tenant_id == calls.c.tenant_id, attempts.c.call_id == calls.c.id)
            .scalar_subquery()
        )
        leaves_by = (
            select(attempts.c.trunk)
            .where(attempts.c.tenant_id == calls.c.tenant_id, attempts.c.call_id == calls.c.id)
            .order_by(attempts.c.number.desc())
            .limit(1)
            .scalar_subquery()
        )
        stored = (column for column in calls.c if column is not calls.c.waiting_for)
        return self._mine(
            calls, *stored, _waiting_for(), made.label("attempts"), leaves_by.label("trunk")
        )

    async def get(self, call_id: str) -> Row[Any]:
        """Give one call.

        Errors: NotFound ``call_not_found``, the same for another tenant's.
        """
        row = None
        # Anything else is no id of ours, and may hold bytes that a database refuses.
        if _CALL_ID.match(call_id):
            result = await self._connection.execute(self._views().where(calls.c.id == call_id))
            row = result.one_or_none()
        if row is None:
            raise NotFound("call_not_found", "There is no such call.")
        return row

    async def lock(self, call_id: str) -> Row[Any]:
        """Give one call and keep others from changing it until the transaction ends.

        Errors: NotFound.
        """
        if _CALL_ID.match(call_id):
            query = self._mine(calls).where(calls.c.id == call_id).with_for_update()
            row = (await self._connection.execute(query)).one_or_none()
            if row is not None:
                return row
        raise NotFound("call_not_found", "There is no such call.")

    async def newest_attempt(self, call_id: str) -> Row[Any]:
        """Give the call's newest attempt; every call has one."""
        query = (
            self._mine(attempts)
            .where(attempts.c.call_id == call_id)
            .order_by(attempts.c.number.desc())
            .limit(1)
        )
        return (await self._connection.execute(query)).one()

    async def page(
        self, wanted: Filter, *, cursor: Cursor | None, limit: int
    ) -> tuple[list[Row[Any]], Cursor | None]:
        """List calls, the newest first, and say where the next page starts."""
        query = self._views().where(and_(True, *_conditions(wanted)))
        if cursor is not None:
            query = query.where(
                tuple_(calls.c.queued_at, calls.c.id)
                < tuple_(
                    cursor.queued_at, cursor.id, types=[calls.c.queued_at.type, calls.c.id.type]
                )
            )
        query = query.order_by(calls.c.queued_at.desc(), calls.c.id.desc()).limit(limit + 1)
        rows = list(await self._connection.execute(query))
        if len(rows) <= limit:
            return rows, None
        last = rows[limit - 1]
        return rows[:limit], Cursor(last.queued_at, last.id)

    async def events(
        self, call_id: str, *, after: int, limit: int, types: tuple[str, ...] = ()
    ) -> list[Row[Any]]:
        """List the call's events behind a sequence, in order."""
        query = (
            self._mine(events)
            .where(events.c.call_id == call_id, events.c.sequence > after)
            .order_by(events.c.sequence)
            .limit(limit)
        )
        if types:
            query = query.where(events.c.type.in_(types))
        return list(await self._connection.execute(query))

    async def queued(self, *, at_most: int) -> int:
        """Count the calls that wait, no further than ``at_most``."""
        counted = await self._connection.execute(count_queued(self._tenant_id, at_most=at_most))
        return counted.scalar_one()

    async def one_at_a_time(self) -> None:
        """Make the tenant's other placers wait until this transaction ends."""
        await self._connection.execute(lock_tenant(self._tenant_id))

    async def insert(self, call: dict[str, Any], attempt: dict[str, Any]) -> None:
        """Store a new call with its first attempt."""
        await self._connection.execute(insert(calls).values(tenant_id=self._tenant_id, **call))
        await self._connection.execute(
            insert(attempts).values(tenant_id=self._tenant_id, call_id=call["id"], **attempt)
        )


def _waiting_for() -> ColumnElement[Any]:
    """Give what a call waits for; one that was not told yet waits for what those before it do."""
    before = calls.alias()
    theirs = (
        select(before.c.waiting_for)
        .where(
            before.c.tenant_id == calls.c.tenant_id,
            before.c.queued_at <= calls.c.queued_at,
            before.c.status == CallStatus.QUEUED.value,
            # A bridge is one call's own trouble, all else is everybody's.
            before.c.waiting_for != WaitingFor.BRIDGE.value,
        )
        .order_by(before.c.queued_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    untold = (
        calls.c.waiting_for.is_(None)
        & (calls.c.status == CallStatus.QUEUED.value)
        & (calls.c.call_type == CallType.SIP.value)
    )
    return case((untold, theirs), else_=calls.c.waiting_for).label("waiting_for")


def count_queued(tenant_id: str, *, at_most: int) -> Select[Any]:
    """Count one tenant's calls that wait, no further than ``at_most``."""
    waiting = (
        select(calls.c.id)
        .where(calls.c.tenant_id == tenant_id, calls.c.status == CallStatus.QUEUED.value)
        .limit(at_most)
        .subquery()
    )
    query: Any = select(func.count()).select_from(waiting)
    return query


def lock_tenant(tenant_id: str) -> Select[Any]:
    """Make whoever locks the same tenant wait until this transaction ends."""
    query: Any = (
        select(tenants.c.id).where(tenants.c.id == tenant_id).with_for_update(key_share=True)
    )
    return query


def _conditions(wanted: Filter) -> list[Any]:
    equal = {
        calls.c.status: wanted.status and wanted.status.value,
        calls.c.outcome: wanted.outcome and wanted.outcome.value,
        calls.c.call_type: wanted.call_type and wanted.call_type.value,
        calls.c.direction: wanted.direction and wanted.direction.value,
        calls.c.phone_number: wanted.phone_number,
    }
    conditions: list[Any] = [
        column == value for column, value in equal.items() if value is not None
    ]
    if wanted.created_from is not None:
        conditions.append(calls.c.queued_at >= wanted.created_from)
    if wanted.created_to is not None:
        conditions.append(calls.c.queued_at < wanted.created_to)
    return conditions
