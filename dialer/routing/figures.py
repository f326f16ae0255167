"""The trunks in figures, for whoever watches the gateway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client.core import Metric

from dialer import metrics
from dialer.adapters.database import Database
from dialer.routing import health, slots
from dialer.routing.directory import Directory
from dialer.routing.health import Breaker, Health


async def read(database: Database, directory: Directory, *, now: datetime) -> list[Metric]:
    """Give the metrics of every trunk; what is not known of one is left out.

    Errors: Unavailable when the database cannot be reached.
    """
    trunks = await directory.trunks()
    async with database.reading() as connection:
        measured = await health.measure(connection, now=now)
        carries, on_the_way = await slots.carried(connection)
    how = {trunk.name: measured.get(trunk.name, Health()) for trunk in trunks}

    def of(name: str, figure: Callable[[Health], float | None]) -> Metric:
        known = ((trunk, figure(one)) for trunk, one in how.items())
        return metrics.scraped(name, [((t,), float(v)) for t, v in known if v is not None])

    alone = [
        ((name,), float(_alone(one, now, trying=on_the_way.get(name, 0) > 0)))
        for name, one in how.items()
    ]
    limited = [((t.name,), float(t.concurrency)) for t in trunks if t.concurrency is not None]
    return [
        metrics.scraped(
            "telephony_trunk_calls", [((name,), float(carries.get(name, 0))) for name in how]
        ),
        metrics.scraped("telephony_trunk_slots", limited),
        of("telephony_trunk_answer_seizure_ratio", lambda one: one.answer_seizure_ratio),
        of("telephony_trunk_average_call_seconds", lambda one: one.average_duration),
        of("telephony_trunk_short_call_share", lambda one: one.short_share),
        of("telephony_trunk_failures_in_a_row", lambda one: float(one.failures_in_a_row)),
        metrics.scraped("telephony_trunk_left_alone", alone),
    ]


def _alone(how: Health, now: datetime, *, trying: bool) -> bool:
    return how.breaker(now, trying=trying) is not Breaker.CLOSED
