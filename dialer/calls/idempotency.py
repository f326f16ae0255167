"""The same request twice is one call: keys, scoped to a tenant, kept with the call they made.

The key's row is written in the transaction that makes the call. Where the answer is known then
(sip) it is kept too; where it needs LiveKit first (voip), the row is in flight until it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.database import Database
from dialer.adapters.tables import idempotency_keys
from dialer.problems import BadRequest
from telephony.errors import Conflict, Refused

MAX_KEY = 255
#: A first request that is silent for this long has died; its call is told as it stands.
IN_FLIGHT = timedelta(seconds=30)


class KeyTaken(Exception):
    """Somebody else's request with this key was stored first."""


@dataclass(frozen=True, slots=True)
class First:
    """What the first request with this key led to; ``body`` is None where nobody lived to say."""

    call_id: str
    status: int
    body: dict[str, Any] | None


def check_key(key: str | None) -> str | None:
    """Give the key back when it can be used.

    Errors: BadRequest ``invalid_idempotency_key``.
    """
    if key is None:
        return None
    if not key.strip() or len(key) > MAX_KEY or not key.isascii() or not key.isprintable():
        raise BadRequest(
            "invalid_idempotency_key",
            f"The Idempotency-Key must be 1 to {MAX_KEY} printable ASCII characters.",
            field="Idempotency-Key",
        )
    return key


def fingerprint(body: object) -> str:
    """Hash a parsed body; spacing and the order of keys make no difference."""
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


async def first(
    database: Database, tenant_id: str, key: str, body_hash: str, *, now: datetime
) -> First | None:
    """Find what this key led to before.

    Shape: those who ask in the same moment share one look. Errors: Refused
    ``idempotency_mismatch``; Conflict ``idempotency_in_flight``.
    """
    row = await database.read_together(_find, (tenant_id, key))
    if row is None:
        return None
    if row.body_hash != body_hash:
        raise Refused(
            "idempotency_mismatch",
            "This Idempotency-Key came with another body before.",
            field="Idempotency-Key",
        )
    if row.response_status is None and now - row.created_at < IN_FLIGHT:
        raise Conflict(
            "idempotency_in_flight",
            "The first request with this key is still being worked on.",
            field="Idempotency-Key",
            retry_after=1,
        )
    return First(row.call_id, row.response_status or 202, row.response_body)


def _find(connection: Connection, asked: Sequence[tuple[str, str]]) -> list[Row[Any] | None]:
    found: dict[tuple[str, str], Row[Any]] = {}
    for tenant_id in {tenant_id for tenant_id, _ in asked}:
        wanted = {key for tenant, key in asked if tenant == tenant_id}
        query: Any = select(*_FIRST).where(
            idempotency_keys.c.tenant_id == tenant_id, idempotency_keys.c.key.in_(wanted)
        )
        found |= {(tenant_id, row.key): row for row in connection.execute(query)}
    return [found.get(one) for one in asked]


_FIRST: tuple[Any, ...] = (
    idempotency_keys.c.key,
    idempotency_keys.c.body_hash,
    idempotency_keys.c.call_id,
    idempotency_keys.c.response_status,
    idempotency_keys.c.response_body,
    idempotency_keys.c.created_at,
)


class Keyring:
    """The idempotency keys of one tenant, on one connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def keep(
        self, key: str, body_hash: str, call_id: str, body: dict[str, Any] | None, *, now: datetime
    ) -> None:
        """Store the key with its answer, or in flight when ``body`` is None.

        Errors: KeyTaken when the key is stored already; the transaction must then end.
        """
        insert = sqlite_insert if self._connection.dialect.name == "sqlite" else postgresql_insert
        stored = await self._connection.execute(
            insert(idempotency_keys)
            .values(
                tenant_id=self._tenant_id,
                key=key,
                body_hash=body_hash,
                call_id=call_id,
                response_status=None if body is None else 202,
                response_body=body,
                created_at=now,
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "key"])
            .returning(idempotency_keys.c.key)
        )
        if stored.one_or_none() is None:
            raise KeyTaken

    async def answered(self, key: str, body: dict[str, Any]) -> None:
        """Store the answer of a request that was in flight."""
        await self._connection.execute(
            update(idempotency_keys)
            .where(idempotency_keys.c.tenant_id == self._tenant_id, idempotency_keys.c.key == key)
            .values(response_status=202, response_body=body)
        )

    async def forget(self, key: str) -> None:
        """Drop a key whose request came to nothing, so that it can be sent again."""
        await self._connection.execute(
            delete(idempotency_keys).where(
                idempotency_keys.c.tenant_id == self._tenant_id, idempotency_keys.c.key == key
            )
        )
