"""Which phones the bridge let go of while LiveKit's lists still have them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from dialer.calls.rooms import Rooms
from telephony.bridge_hold import Hold

#: A room, and who is in it.
Phone = tuple[str, str]


class LetGo:
    """The memory of somebody who asks again and again.

    Shape: ``sure_after`` is how long the bridge must have let go, by every answer; a bridge that
    connects anew lets go for a moment, too.
    """

    def __init__(self, rooms: Rooms, *, sure_after: timedelta, now: Callable[[], datetime]) -> None:
        self._rooms = rooms
        self._sure_after = sure_after
        self._now = now
        self._since: dict[Phone, datetime] = {}

    async def ask(self, phones: Iterable[Phone]) -> None:
        """Ask about all of them at once: a bridge that stands still takes its time to answer."""
        asked = list(phones)
        told = await asyncio.gather(*(self._rooms.hold(*phone) for phone in asked))
        now = self._now()
        left = [phone for phone, hold in zip(asked, told, strict=True) if hold is Hold.LET_GO]
        self._since = {phone: self._since.get(phone, now) for phone in left}

    def of(self, phone: Phone) -> bool:
        """Say whether it is sure that the bridge let go of this one."""
        since = self._since.get(phone)
        return since is not None and self._now() - since >= self._sure_after
