"""The operator's switch between the two LiveKits: in the database, so that all processes agree.

Every turn of it stays, with who did it and when; the newest one holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.database import Database
from dialer.adapters.tables import livekit_turns


class Use(StrEnum):
    """Where new calls go: to our own LiveKit unless it is down, or to one of them in any case."""

    AUTO = "auto"
    OWN = "own"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the switch."""

    use: Use
    by: str
    at: datetime


async def turn(tx: AsyncConnection, use: Use, by: str, *, now: datetime) -> None:
    """Turn the switch."""
    await tx.execute(insert(livekit_turns).values(use=use.value, turned_by=by[:128], turned_at=now))


async def turns(connection: AsyncConnection, *, limit: int) -> list[Turn]:
    """List the newest turns, the newest first."""
    query = select(livekit_turns).order_by(livekit_turns.c.id.desc()).limit(limit)
    found = (await connection.execute(query)).all()
    return [Turn(Use(row.use), row.turned_by, row.turned_at) for row in found]


async def wanted(database: Database) -> Use:
    """Tell how the switch stands; on its own where nobody ever turned it.

    Errors: Unavailable when the database cannot be reached.
    """
    async with database.reading() as connection:
        newest = await turns(connection, limit=1)
    return newest[0].use if newest else Use.AUTO
