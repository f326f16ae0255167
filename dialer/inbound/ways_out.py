"""How an overflow number is reached: by the trunks and under the rules of any call that we make."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from dialer.adapters.database import Database
from dialer.admission.destinations import allowed_country, destination
from dialer.calls.pacing import Pacer
from dialer.routing.choose import Wish
from dialer.routing.directory import Directory
from dialer.routing.trunk import Line
from dialer.routing.turn import wait_for_turn
from dialer.routing.watch import Watch
from dialer.routing.ways import Obstacle, Ways
from telephony.call import WaitingFor
from telephony.errors import TelephonyError
from telephony.numbers import E164

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: seconds. By how much a caller may have a trunk's token before its moment: more than twice
#: what calls of the queue may, so that even the second look comes before theirs. Who waited for the
#: moment itself would find each token gone while the queue has calls enough for all of them.
_AHEAD: Final = 0.6


class Lines(Protocol):
    """The trunks as they are in LiveKit now."""

    async def current(self) -> Mapping[str, Line]:
        """Give them by name.

        Errors: Unavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class WayOut:
    """By which trunk a number is dialled, and which number it is shown."""

    line: Line
    number: str = field(repr=False)
    shows: str = field(repr=False)


class WaysOut:
    """Finds ways; ``paced`` is how long a trunk's pace is waited for."""

    def __init__(
        self,
        *,
        database: Database,
        lines: Lines,
        directory: Directory,
        pacer: Pacer,
        now: Callable[[], datetime],
        paced: timedelta,
    ) -> None:
        self._database = database
        self._lines = lines
        self._directory = directory
        self._pacer = pacer
        self._watch = Watch(now=now)
        self._paced = paced.total_seconds()

    async def find(self, to: str, *, called: str | None) -> WayOut | None:
        """Find a trunk that takes a call to a number now, and its turn there; None where none does.

        Shape: ``called`` is our number that the caller dialled, shown where the trunk may show it.
        """
        try:
            callee = destination(to)
            lines = await self._lines.current()
            await self._directory.trunks()
            allowed_country(callee, self._directory.countries)
            line = await self._line(lines, callee)
            if line is not None:
                await self._turn(line)
        except TelephonyError as error:
            log.error("overflow number not dialled", code=error.code)
            return None
        shows = None if line is None else _shows(line, called, to)
        return None if line is None or shows is None else WayOut(line, to, shows)

    async def _line(self, lines: Mapping[str, Line], callee: E164) -> Line | None:
        waited = 0.0
        while True:
            async with self._database.reading() as connection:
                standing = await self._watch.standing(connection, lines)
            ways = Ways(lines, standing, self._pacer, ahead=_AHEAD)
            way = await ways.find(Wish(callee.digits))
            if not isinstance(way, Obstacle):
                return way
            waited += way.look_again
            if way.waiting_for is not WaitingFor.PACING or waited > self._paced:
                log.warning("no trunk for the overflow number", waits_for=way.waiting_for.value)
                return None
            await asyncio.sleep(way.look_again)

    async def _turn(self, line: Line) -> None:
        try:
            await wait_for_turn(line.trunk, self._pacer)
        except TelephonyError:
            await self._pacer.give_back(line.trunk.name)  # nothing leaves with it
            raise


def _shows(line: Line, called: str | None, to: str) -> str | None:
    own = None if called is None else line.trunk.shows(called, to=to)
    return own or line.trunk.shows(None, to=to)
