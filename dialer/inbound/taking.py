"""Taking a caller: to the overflow number where there is a way and a place, else to the apology."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dialer.adapters.database import Database
from dialer.calls.claims import Claim, TrunkFull
from dialer.calls.pacing import Pacer
from dialer.inbound import at_once, keeping
from dialer.inbound.keeping import Kept, Onward, OverflowFull
from dialer.inbound.numbers import Owned
from dialer.inbound.second_leg import Announcer
from dialer.inbound.ways_out import WayOut, WaysOut
from telephony.events import OverflowWhy

_CROWDED: Final = "As many callers of this number as may were at its overflow number already."


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Takes callers.

    Shape: ``owner`` names this process; ``at_once`` is how many callers of one number of ours may
    be at its overflow number together.
    """

    database: Database
    ways: WaysOut
    pacer: Pacer
    announcer: Announcer
    owner: str
    now: Callable[[], datetime]
    at_once: int

    async def take(
        self, of: Claim, why: OverflowWhy, to_overflow_of: Owned | None
    ) -> tuple[Kept, WayOut | None] | None:
        """Take a caller; gives what the overflow number is dialled by, None where it is not.

        Shape: None as the whole answer where there is nothing for the caller, or the call moved on.
        Errors: Unavailable.
        """
        try:
            way = await self._way(to_overflow_of)
        except OverflowFull:
            return await self._kept(of, why, crowded=True)
        if way is None or to_overflow_of is None:
            return await self._kept(of, why) if self.announcer.ready else None
        onward = Onward(way.line.trunk, to_overflow_of.inbound.number, self.at_once)
        try:
            async with self.database.transaction() as tx:
                now = self.now()
                kept = await keeping.take(tx, of, why, onward, owner=self.owner, now=now)
        except (TrunkFull, OverflowFull) as full:
            await self.pacer.give_back(way.line.trunk.name)
            return await self._kept(of, why, crowded=isinstance(full, OverflowFull))
        if kept is None:
            await self.pacer.give_back(way.line.trunk.name)
            return None
        return kept, way

    async def _way(self, owned: Owned | None) -> WayOut | None:
        """Find the way to the number's overflow number, if it has one. Errors: OverflowFull."""
        to = None if owned is None else owned.inbound.overflow_number
        if owned is None or to is None:
            return None
        # Asked for under a lock once more; a crowd here takes nothing of the trunk's pace.
        async with self.database.reading() as connection:
            if await at_once.full(connection, owned.inbound.number, self.at_once):
                raise OverflowFull
        return await self.ways.find(to, called=owned.inbound.number)

    async def _kept(
        self, of: Claim, why: OverflowWhy, *, crowded: bool = False
    ) -> tuple[Kept, None] | None:
        """Take a caller for whom nothing is dialled."""
        async with self.database.transaction() as tx:
            now = self.now()
            kept = await keeping.take(tx, of, why, None, owner=self.owner, now=now)
            if kept is not None and crowded:
                await keeping.warn(tx, kept.mine, "overflow_full", _CROWDED, now=now)
        return None if kept is None else (kept, None)
