"""Tell a call's events as they happen, as server-sent events.

The database is read, then a wake-up is waited for; a wake-up that is lost costs a second. Between
events a comment is sent now and then, so that proxies keep the connection. Who may no longer ask is
told nothing more.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy import Row

from dialer.calls.store import Calls
from dialer.calls.view import event_view
from dialer.wiring import Services
from telephony.call import CallStatus

#: Units: seconds.
_LOOK_AGAIN = 1.0
_HEARTBEAT = 10.0
_ASK_AGAIN = 2.0
_BATCH = 200


async def stream(
    tenant_id: str,
    call_id: str,
    *,
    after: int,
    wired: Services,
    still: Callable[[], Awaitable[bool]],
) -> AsyncIterator[str]:
    """Give every event behind ``after``, and end when the call has and all of it is told.

    Shape: ``still`` tells whether whoever listens may do so still; where not, it ends as well.
    """
    quiet_since = asked = time.monotonic()
    yield "retry: 1000\n\n"
    async with wired.signals.watch_call(tenant_id, call_id) as watch:
        while True:
            if time.monotonic() - asked > _ASK_AGAIN:
                if not await still():
                    return
                asked = time.monotonic()
            rows, ended = await _behind(tenant_id, call_id, after, wired)
            for row in rows:
                yield _message(row)
                after = row.sequence
                quiet_since = time.monotonic()
            if rows:
                continue
            if ended:
                return
            if time.monotonic() - quiet_since > _HEARTBEAT:
                yield ": still here\n\n"
                quiet_since = time.monotonic()
            await watch.wait(_LOOK_AGAIN)


async def _behind(
    tenant_id: str, call_id: str, after: int, wired: Services
) -> tuple[list[Row[Any]], bool]:
    async with wired.database.reading() as connection:
        calls = Calls(connection, tenant_id)
        # The status first: what is recorded in between is then told, not missed.
        ended = (await calls.get(call_id)).status == CallStatus.ENDED.value
        return await calls.events(call_id, after=after, limit=_BATCH), ended


def _message(row: Row[Any]) -> str:
    view = event_view(row)
    # JSON on one line: a line break inside would end the message's data.
    return f"id: {view.sequence}\nevent: {view.type.value}\ndata: {view.model_dump_json()}\n\n"
