"""Write down the sip calls of one moment: all of them in one transaction, each for its own tenant.

What is written of a call is what ``record`` would write: the call, its first attempt, its first
event, and its idempotency key with the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from dialer.adapters.database import needs_transaction
from dialer.adapters.many_rows import insert_rows
from dialer.adapters.tables import attempts, calls, events, idempotency_keys
from dialer.calls.idempotency import KeyTaken
from dialer.calls.store import count_queued, lock_tenant
from telephony.events import EventType, Source

if TYPE_CHECKING:
    from dialer.admission.limits import QueueLimit


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key, and the answer that it leads to from now on."""

    key: str
    body_hash: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Newcomer:
    """One call to be written down.

    Shape: ``call`` and ``attempt`` are rows without tenant, with the same columns for every call.
    """

    tenant_id: str
    call: dict[str, Any]
    attempt: dict[str, Any]
    key: Key | None
    now: datetime
    limit: QueueLimit


def write_down(connection: Connection, newcomers: Sequence[Newcomer]) -> list[Newcomer | Exception]:
    """Write those for whom there is room; gives for each itself, ``queue_full`` or KeyTaken.

    Errors: KeyTaken when a key was stored meanwhile; the transaction must then end.
    """
    answers: dict[int, Newcomer | Exception] = {}
    tenants = sorted({one.tenant_id for one in newcomers})
    if len(tenants) > 1:
        needs_transaction(connection)
    # By name: who locks two tenants locks them in the same order as everybody.
    for tenant_id in tenants:
        mine = [(at, one) for at, one in enumerate(newcomers) if one.tenant_id == tenant_id]
        answers |= _write_tenants(NewCalls(connection, tenant_id), mine)
    return [answers[at] for at in range(len(newcomers))]


def _write_tenants(
    store: NewCalls, mine: list[tuple[int, Newcomer]]
) -> dict[int, Newcomer | Exception]:
    limit = mine[0][1].limit
    first, later = _one_of_each_key(mine)
    room = limit.room_for(store, len(first))
    store.insert([one for _, one in first[:room]])
    answers: dict[int, Newcomer | Exception] = {
        at: one if place < room else limit.refusal() for place, (at, one) in enumerate(first)
    }
    for at, winner in later.items():
        # Where the first was refused, nothing has this key, and all of them are refused alike.
        written = isinstance(answers[winner], Newcomer)
        answers[at] = KeyTaken() if written else limit.refusal()
    return answers


def _one_of_each_key(
    mine: list[tuple[int, Newcomer]],
) -> tuple[list[tuple[int, Newcomer]], dict[int, int]]:
    """Part those that come first with their key from those that follow; these with their first."""
    first: list[tuple[int, Newcomer]] = []
    later: dict[int, int] = {}
    seen: dict[str, int] = {}
    for at, one in mine:
        if one.key is not None and (winner := seen.setdefault(one.key.key, at)) != at:
            later[at] = winner
        else:
            first.append((at, one))
    return first, later


class NewCalls:
    """The new calls of one tenant, on one connection."""

    def __init__(self, connection: Connection, tenant_id: str) -> None:
        self._connection = connection
        self.tenant_id = tenant_id

    def waiting(self, *, at_most: int) -> int:
        """Count the tenant's calls that wait, no further than ``at_most``."""
        counted = self._connection.execute(count_queued(self.tenant_id, at_most=at_most))
        return counted.scalar_one()

    def one_at_a_time(self) -> None:
        """Make the tenant's other placers wait until this transaction ends."""
        needs_transaction(self._connection)
        self._connection.execute(lock_tenant(self.tenant_id))

    def insert(self, newcomers: Sequence[Newcomer]) -> None:
        """Store the calls with all that belongs to them.

        Errors: KeyTaken.
        """
        tenant = {"tenant_id": self.tenant_id}
        try:
            insert_rows(
                self._connection,
                (calls, [{**tenant, **one.call, "last_sequence": 1} for one in newcomers]),
                (
                    attempts,
                    [{**tenant, "call_id": one.call["id"], **one.attempt} for one in newcomers],
                ),
                (events, [{**tenant, **_queued(one)} for one in newcomers]),
                # In order: two processes that store the same two keys wait for each other once.
                (
                    idempotency_keys,
                    sorted(
                        ({**tenant, **_kept(one, one.key)} for one in newcomers if one.key),
                        key=itemgetter("key"),
                    ),
                ),
            )
        except IntegrityError as error:
            if idempotency_keys.name not in str(error.orig):
                raise
            # By another process, since each of them was looked for.
            raise KeyTaken from None


def _kept(one: Newcomer, key: Key) -> dict[str, Any]:
    return {
        "key": key.key,
        "body_hash": key.body_hash,
        "call_id": one.call["id"],
        "response_status": 202,
        "response_body": key.body,
        "created_at": one.now,
    }


def _queued(one: Newcomer) -> dict[str, Any]:
    return {
        "call_id": one.call["id"],
        "sequence": 1,
        "attempt_id": one.attempt["id"],
        "type": EventType.CALL_QUEUED.value,
        "source": Source.DIALER.value,
        "source_sequence": "queued",
        "occurred_at": one.now,
        "recorded_at": one.now,
        "data": {},
    }
