"""How the trunks stand now, as the dispatcher sees them: what they carry, and how well they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.routing import health, slots
from dialer.routing.choose import Standing
from dialer.routing.health import Breaker, Health

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: How old what is known of the trunks' health may be; what they carry is counted each time.
_FRESH = timedelta(seconds=1)


class Watch:
    """Looks at the trunks, and says once when one is left alone or taken again."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        self._health: Mapping[str, Health] = {}
        self._measured_at: datetime | None = None
        self._open: set[str] = set()

    async def standing(
        self, connection: AsyncConnection, names: Iterable[str]
    ) -> dict[str, Standing]:
        """Give how each of these trunks stands."""
        now = self._now()
        if self._measured_at is None or not timedelta(0) <= now - self._measured_at < _FRESH:
            self._health = await health.measure(connection, now=now)
            self._measured_at = now
        carries, on_the_way = await slots.carried(connection)
        found: dict[str, Standing] = {}
        names = list(names)
        for name in names:
            how = self._health.get(name, Health())
            breaker = how.breaker(now, trying=on_the_way.get(name, 0) > 0)
            found[name] = Standing(breaker, how, carries.get(name, 0))
            if len(names) > 1:  # the only trunk is never left alone
                self._tell(name, breaker, how)
        return found

    def _tell(self, name: str, breaker: Breaker, how: Health) -> None:
        if breaker is Breaker.OPEN and name not in self._open:
            self._open.add(name)
            log.warning("trunk left alone", trunk=name, failures=how.failures_in_a_row)
        elif breaker is Breaker.CLOSED and name in self._open:
            self._open.discard(name)
            log.info("trunk taken again", trunk=name)
