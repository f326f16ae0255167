"""Late, repeated and reordered reports change nothing: every short history, told to the recorder.

The histories are walked as a tree inside one transaction: each report is told behind a savepoint
and taken back, so that every order and every repetition starts from the very same call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, calls
from dialer.calls.record import Fact, Recorded, record
from telephony import lifecycle
from telephony.call import CallStatus
from telephony.events import EventType, Source
from tests.kit.switchboard import Switchboard

pytestmark = pytest.mark.asyncio

RANK = {status: rank for rank, status in enumerate(CallStatus)}
ENDED = {"ended_reason": "callee_hangup", "ended_by": "callee"}
PERSON = {"identity": "callee", "kind": "sip"}

#: Everything that a worker or LiveKit may report, with data that fits.
REPORTS: dict[EventType, tuple[Source, dict[str, Any]]] = {
    EventType.CALL_AGENT_JOINED: (Source.WORKER, {"worker_id": "w1"}),
    EventType.CALL_AGENT_READY: (Source.WORKER, {}),
    EventType.CALL_DIALING: (Source.WORKER, {}),
    EventType.CALL_RINGING: (Source.WORKER, {}),
    EventType.CALL_ANSWERED: (Source.WORKER, {}),
    EventType.CALL_TURN: (Source.WORKER, {"speaker": "callee", "text": "hello"}),
    EventType.CALL_DTMF: (Source.WORKER, {"digit": "1", "direction": "received"}),
    EventType.CALL_RECORDING_READY: (
        Source.WORKER,
        {"path": "r.wav", "duration_seconds": 1.0, "sample_rate": 48_000},
    ),
    EventType.CALL_WARNING: (Source.WORKER, {"code": "late", "message": "Late."}),
    EventType.CALL_ENDED: (Source.WORKER, ENDED),
    EventType.ROOM_PARTICIPANT_JOINED: (Source.LIVEKIT, PERSON),
    EventType.ROOM_PARTICIPANT_LEFT: (Source.LIVEKIT, PERSON),
    EventType.ROOM_FINISHED: (Source.LIVEKIT, {}),
}
#: Those that can move a call whose permit was given.
MOVING = (
    EventType.CALL_RINGING,
    EventType.CALL_ANSWERED,
    EventType.CALL_ENDED,
)
#: What no report may change once the call is over; reports themselves are counted and kept.
_KEPT = {"last_sequence", "recording_path"}


@dataclass
class Histories:
    """One call, and everything that can be told of it in the transaction."""

    tx: AsyncConnection
    board: Switchboard
    call_id: str
    attempt_id: str
    told: int = 0
    reached: set[CallStatus] = field(default_factory=set[CallStatus])

    async def walk(self, types: tuple[EventType, ...], depth: int, number: int = 1) -> None:
        """Tell every history of at most ``depth`` reports, each once and then again."""
        before = await self._rows()
        for type_ in types:
            async with self.tx.begin_nested() as savepoint:
                await self._check(type_, number, before)
                if depth > 1:
                    await self.walk(types, depth - 1, number + 1)
                await savepoint.rollback()
        assert await self._rows() == before

    async def _check(
        self, type_: EventType, number: int, before: tuple[Row[Any], Row[Any]]
    ) -> None:
        was = CallStatus(before[0].status)
        told = await self._tell(type_, number)
        assert told is not None
        after = await self._rows()
        status = CallStatus(after[0].status)
        self.reached.add(status)
        assert status is told.status is lifecycle.advance(was, type_)
        assert RANK[status] >= RANK[was]
        assert after[1].state == lifecycle.ATTEMPT_STATE[status].value
        assert after[0].last_sequence == before[0].last_sequence + 1
        if was is CallStatus.ENDED:
            assert _fixed(after[0]) == _fixed(before[0])
            assert after[1] == before[1]
        assert await self._tell(type_, number) is None
        assert await self._rows() == after

    async def _tell(self, type_: EventType, number: int) -> Recorded | None:
        self.told += 1
        source, data = REPORTS[type_]
        now = self.board.clock()
        fact = Fact(
            "default", self.call_id, self.attempt_id, type_, source, f"h{number}", now, data
        )
        return await record(self.tx, fact, now=now)

    async def _rows(self) -> tuple[Row[Any], Row[Any]]:
        call: Any = select(calls).where(calls.c.id == self.call_id)
        attempt: Any = select(attempts).where(attempts.c.id == self.attempt_id)
        return (
            (await self.tx.execute(call)).one(),
            (await self.tx.execute(attempt)).one(),
        )


def _fixed(call: Row[Any]) -> dict[str, Any]:
    row: dict[str, Any] = call._asdict()  # pyright: ignore[reportPrivateUsage]
    return {name: value for name, value in row.items() if name not in _KEPT}


async def _call(board: Switchboard, *, dialled: bool) -> tuple[str, str]:
    call_id = await board.dispatched()
    if dialled:
        await board.dials(call_id)
    return call_id, (await board.attempt(call_id)).id


async def test_no_order_of_reports_of_a_dialled_call_takes_it_back(
    board: Switchboard,
) -> None:
    depth = 5 if board.database.is_sqlite else 3
    call_id, attempt_id = await _call(board, dialled=True)
    async with board.database.transaction() as tx:
        histories = Histories(tx, board, call_id, attempt_id)
        await histories.walk(MOVING, depth)
    assert histories.told == 2 * sum(len(MOVING) ** length for length in range(1, depth + 1))
    assert histories.reached == {
        CallStatus.RINGING,
        CallStatus.IN_PROGRESS,
        CallStatus.ENDED,
    }


async def test_no_report_of_any_kind_told_before_or_after_another_breaks_a_call(
    board: Switchboard,
) -> None:
    depth = 2 if board.database.is_sqlite else 1
    call_id, attempt_id = await _call(board, dialled=False)
    async with board.database.transaction() as tx:
        histories = Histories(tx, board, call_id, attempt_id)
        await histories.walk(tuple(REPORTS), depth)
    assert histories.told == 2 * sum(len(REPORTS) ** length for length in range(1, depth + 1))
