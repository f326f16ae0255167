"""A sign-in link works once; that it was used outlives a restart."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import spent_links
from dialer.tenants.tokens import Link
from telephony.errors import Unauthorized


async def spend(tx: AsyncConnection, link: Link, *, now: datetime) -> None:
    """Use the link up.

    Errors: Unauthorized when it was used before.
    """
    insert = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    stored = await tx.execute(
        insert(spent_links)
        .values(id=link.id, expires_at=link.expires_at)
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(spent_links.c.id)
    )
    if stored.one_or_none() is None:
        raise Unauthorized("unauthorized", "This sign-in link was used before.")
    await tx.execute(delete(spent_links).where(spent_links.c.expires_at < now))
