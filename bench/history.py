"""A database that has been in use: ended calls, and on Postgres the statistics that they leave.

A database made a moment ago is nobody's in production, and Postgres treats it unlike any other: its
planner knows nothing of the tables until they are first analysed (autovacuum looks each minute),
and until then checks each reference by whatever index of the tenant comes first.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, create_engine, update

from dialer.adapters.database import async_url
from dialer.adapters.tables import attempts, calls
from dialer.calls.newcomers import Key, NewCalls, Newcomer
from telephony.call import (
    DEFAULT_TENANT,
    AttemptState,
    CallStatus,
    CallType,
    Direction,
    new_attempt_id,
    new_call_id,
)

_CALLS: Final = 10_000
_AT_ONCE: Final = 500


def write(url: str) -> int:
    """Write ended calls into a migrated database; gives how many."""
    parsed = async_url(url)
    if parsed.get_backend_name() == "sqlite":
        parsed = parsed.set(drivername="sqlite")
    engine = create_engine(parsed)
    try:
        for first in range(0, _CALLS, _AT_ONCE):
            with engine.begin() as connection:
                NewCalls(connection, DEFAULT_TENANT).insert(list(_some(first)))
            if first == 0:
                _analyse(engine)
        with engine.begin() as connection:
            connection.execute(update(calls).values(status=CallStatus.ENDED.value))
            connection.execute(update(attempts).values(state=AttemptState.ENDED.value))
        _analyse(engine)
    finally:
        engine.dispose()
    return _CALLS


def _some(first: int) -> Iterator[Newcomer]:
    for number in range(first, first + _AT_ONCE):
        yield _newcomer(datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=number))


def _newcomer(then: datetime) -> Newcomer:
    call: dict[str, Any] = {
        "id": str(new_call_id(then)),
        "call_type": CallType.SIP.value,
        "direction": Direction.OUTBOUND.value,
        "status": CallStatus.QUEUED.value,
        "phone_number": "+14155550151",
        "phone_number_given": "+14155550151",
        "caller_id": "+14155550190",
        "caller_id_given": False,
        "agent": "default",
        "variables": {},
        "metadata": {},
        "ring_timeout_seconds": 30,
        "max_duration_seconds": 600,
        "queued_at": then,
    }
    attempt = {
        "id": str(new_attempt_id(then)),
        "number": 1,
        "state": AttemptState.WAITING.value,
        "fence": 0,
        "dispatches": 0,
        "created_at": then,
    }
    key = Key(secrets.token_hex(16), secrets.token_hex(32), {"id": call["id"]})
    # Nobody is turned away here.
    return Newcomer(DEFAULT_TENANT, call, attempt, key, then, limit=None)  # pyright: ignore[reportArgumentType]


def _analyse(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":  # of which nothing of the kind is due
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
