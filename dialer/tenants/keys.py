"""API keys: random, shown once, kept as hashes, belonging to a tenant.

A key has 256 random bits, so one fast hash is enough: there is nothing to guess that a slow one
would slow down.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.database import Database
from dialer.adapters.tables import api_keys, tenants
from telephony.errors import NotFound, Unauthorized

PREFIX = "tk_"
_SHOWN = 11
#: How long a key opens without another look: so long a revoked one may still be taken.
REMEMBERED = timedelta(seconds=2)
_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; ``secret`` is shown now and never again."""

    id: str
    secret: str
    tenant_id: str

    def __repr__(self) -> str:
        return f"NewKey({self.id!r}, {self.tenant_id!r})"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as it is listed."""

    id: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key that is valid, and whose it is."""

    id: str
    tenant_id: str


def digest(secret: str) -> str:
    """Give the hash under which a key is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Keys:
    """The keys of one tenant."""

    def __init__(self, tx: AsyncConnection, tenant_id: str) -> None:
        self._tx = tx
        self._tenant_id = tenant_id

    async def create(
        self, name: str, *, now: datetime, life: timedelta | None = None, secret: str | None = None
    ) -> NewKey:
        """Make a key.

        Errors: NotFound when there is no such tenant.
        """
        found = await self._tx.execute(select(tenants.c.id).where(tenants.c.id == self._tenant_id))
        if found.one_or_none() is None:
            raise NotFound("not_found", "There is no such tenant.")
        new = NewKey(
            f"key_{secrets.token_hex(12)}",
            secret or PREFIX + secrets.token_urlsafe(32),
            self._tenant_id,
        )
        await self._tx.execute(
            insert(api_keys).values(
                tenant_id=self._tenant_id,
                id=new.id,
                name=name,
                prefix=new.secret[:_SHOWN],
                key_hash=digest(new.secret),
                created_at=now,
                expires_at=None if life is None else now + life,
            )
        )
        return new

    async def list(self) -> list[KeyRecord]:
        """List the keys, the newest first."""
        query = (
            select(api_keys)
            .where(api_keys.c.tenant_id == self._tenant_id)
            .order_by(api_keys.c.created_at.desc())
        )
        return [_record(row) for row in await self._tx.execute(query)]

    async def revoke(self, key_id: str, *, now: datetime) -> None:
        """End a key at once; a key that is revoked stays so.

        Errors: NotFound.
        """
        changed = await self._tx.execute(
            update(api_keys)
            .where(api_keys.c.tenant_id == self._tenant_id, api_keys.c.id == key_id)
            .values(revoked_at=now)
        )
        if changed.rowcount != 1:
            raise NotFound("not_found", "There is no such key.")


def _record(row: Row[Any]) -> KeyRecord:
    return KeyRecord(row.id, row.name, row.prefix, row.created_at, row.expires_at, row.revoked_at)


class KnownKeys:
    """The keys that opened a moment ago, so that not every request looks into the database.

    Shape: only keys that were found are remembered, by the hash of the whole key, and for no longer
    than ``REMEMBERED``; one that is unknown, expired or revoked is looked up each time.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    async def find(self, database: Database, secret: str, *, now: datetime) -> FoundKey:
        """Tell whose key this is.

        Errors: Unauthorized, the same and after the same work for a key that is unknown, expired or
        revoked.
        """
        wanted = digest(secret)
        known = self._known.get(wanted)
        if known is not None and known.opens(now):
            return known.key
        self._known.pop(wanted, None)
        row = await database.read_together(_find_keys, wanted)
        found = _judged(row, wanted, now)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[wanted] = _Known(found, now, row.expires_at if row is not None else None)
        return found


@dataclass(frozen=True, slots=True)
class _Known:
    key: FoundKey
    looked_at: datetime
    expires_at: datetime | None

    def opens(self, now: datetime) -> bool:
        expired = self.expires_at is not None and self.expires_at <= now
        # A clock that was set back must not make a key live longer.
        return not expired and timedelta(0) <= now - self.looked_at < REMEMBERED


def _find_keys(connection: Connection, asked: Sequence[str]) -> list[Row[Any] | None]:
    query: Any = select(*_FOUND).where(api_keys.c.key_hash.in_(set(asked)))
    rows: dict[str, Row[Any]] = {row.key_hash: row for row in connection.execute(query)}
    return [rows.get(key_hash) for key_hash in asked]


_FOUND: tuple[Any, ...] = (
    api_keys.c.key_hash,
    api_keys.c.id,
    api_keys.c.tenant_id,
    api_keys.c.revoked_at,
    api_keys.c.expires_at,
)


def _judged(row: Row[Any] | None, wanted: str, now: datetime) -> FoundKey:
    stored = row.key_hash if row is not None else "0" * 64
    same = hmac.compare_digest(stored, wanted)
    ended = row is None or row.revoked_at is not None
    expired = row is not None and row.expires_at is not None and row.expires_at <= now
    if row is None or not same or ended or expired:
        raise Unauthorized("unauthorized", "The credentials are missing or not valid.")
    return FoundKey(str(row.id), str(row.tenant_id))
