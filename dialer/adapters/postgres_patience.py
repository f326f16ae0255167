"""Postgres that stands still: whoever waits for it too long is let go.

A server that is frozen, or behind a network that drops everything, keeps its connections open and
answers nothing. Cancelling a query does not help, because the cancellation waits for the same
server; so the socket is shut down under it, and the driver finds the connection lost, as it would
be told by a server that died.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

#: Units: seconds.
CONNECT_TIMEOUT = 5
_DEADLINE = "deadline"


def guard(engine: AsyncEngine, *, patience: float) -> None:
    """Cut what is checked out for longer than ``patience`` seconds; replace what was cut meanwhile.

    Shape: a connection that the server closed while it lay in the pool is seen by its socket,
    without asking the server. A transaction that is cut during its commit may be committed.
    """

    def check_out(_connection: Any, record: Any, _proxy: Any) -> None:
        descriptor: int = record.driver_connection.fileno()
        if _has_news(descriptor):
            raise DisconnectionError("the server closed it while it was idle")
        loop = asyncio.get_running_loop()
        record.info[_DEADLINE] = loop.call_later(patience, _cut, descriptor)

    def check_in(_connection: Any, record: Any) -> None:
        deadline = record.info.pop(_DEADLINE, None)
        if deadline is not None:
            deadline.cancel()

    event.listen(engine.sync_engine, "checkout", check_out)
    event.listen(engine.sync_engine, "checkin", check_in)


def _has_news(descriptor: int) -> bool:
    # Nothing is asked of an idle connection: what there is to read is its end.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _cut(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as same:
        same.shutdown(socket.SHUT_RDWR)
