"""Sign-in links work once, sessions until they are signed out or their key ends.

Both are signed tokens, so that only what is over is kept; it outlives a restart.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import api_keys, spent_tokens
from dialer.tenants.tokens import Link, Session
from telephony.errors import Unauthorized


async def spend(tx: AsyncConnection, token: Link | Session, *, now: datetime) -> None:
    """Use a link up, or end a session.

    Errors: Unauthorized when that was done before.
    """
    insert = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    stored = await tx.execute(
        insert(spent_tokens)
        .values(id=token.id, expires_at=token.expires_at)
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(spent_tokens.c.id)
    )
    if stored.one_or_none() is None:
        raise Unauthorized("unauthorized", "This was used before.")
    await tx.execute(delete(spent_tokens).where(spent_tokens.c.expires_at < now))


async def check_session(connection: AsyncConnection, session: Session, *, now: datetime) -> str:
    """Give the tenant of a session that still holds.

    Errors: Unauthorized when it was signed out, or the key that signed in was revoked or expired.
    """
    spent = select(func.count()).where(spent_tokens.c.id == session.id).scalar_subquery()
    key: Any = select(spent.label("spent"), api_keys.c.revoked_at, api_keys.c.expires_at).where(
        api_keys.c.tenant_id == session.tenant_id, api_keys.c.id == session.key_id
    )
    if session.key_id is None:
        key = select(spent.label("spent"))
    row = (await connection.execute(key)).one_or_none()
    if row is None or row.spent or (session.key_id is not None and _over(row, now)):
        raise Unauthorized("unauthorized", "The credentials are missing or not valid.")
    return session.tenant_id


def _over(key: Any, now: datetime) -> bool:
    expired = key.expires_at is not None and key.expires_at <= now
    return key.revoked_at is not None or expired
