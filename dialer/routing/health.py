"""How well a trunk does, by what became of the calls that left by it, and when to leave it alone.

Every INVITE that told something about its trunk is one row of ``trunk_uses``, written where the
attempt ends or its permit comes back. What our own side lost tells nothing about a trunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, case, delete, extract, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts, trunk_uses
from telephony.call import AttemptState, EndedReason
from telephony.worker_contract import ReturnReason

#: What a trunk's health is told by.
WINDOW = timedelta(minutes=15)
#: How long uses are kept.
KEPT = timedelta(days=1)
#: An answered call is short up to here. Source: Twilio raises a trunk's calls per second where at
#: most a tenth of them are.
SHORT = timedelta(seconds=12)
#: So many failures in a row open the breaker.
MOST_FAILURES = 5
#: For how long it stays open, doubled with every failure more, up to the longest.
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=10)

#: Ends before the answer for which the trunk is to blame.
FAILURES = frozenset(
    {
        EndedReason.TRUNK_AUTH,
        EndedReason.FORBIDDEN,
        EndedReason.CODEC,
        EndedReason.CARRIER_ERROR,
        EndedReason.CARRIER_UNAVAILABLE,
        EndedReason.NO_RESPONSE,
        EndedReason.TRUNK_MISCONFIGURED,
    }
)
#: Ends before the answer that the callee's side told: the trunk did its work.
REACHED = frozenset(
    {
        EndedReason.BUSY,
        EndedReason.RING_TIMEOUT,
        EndedReason.UNAVAILABLE,
        EndedReason.DECLINED,
        EndedReason.UNALLOCATED,
        EndedReason.INCOMPLETE,
        EndedReason.REDIRECTED,
    }
)


class Breaker(StrEnum):
    """Whether calls leave by a trunk: all of them, one to try it, or none if there is another."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Health:
    """What became of a trunk's calls of the last minutes.

    Shape: ``uses`` counts INVITEs that told something, ``talked`` sums up the answered ones'
    seconds; ``failures_in_a_row`` since the last call that reached a callee.
    """

    uses: int = 0
    answered: int = 0
    failed: int = 0
    short: int = 0
    talked: float = 0.0
    failures_in_a_row: int = 0
    failed_at: datetime | None = None

    @property
    def answer_seizure_ratio(self) -> float | None:
        """Give the share of the calls that were answered, None where there was none."""
        return self.answered / self.uses if self.uses else None

    @property
    def average_duration(self) -> float | None:
        """Give the seconds that an answered call lasted, None where none was."""
        return self.talked / self.answered if self.answered else None

    @property
    def short_share(self) -> float | None:
        """Give the share of the answered calls that were short, None where none was answered."""
        return self.short / self.answered if self.answered else None

    @property
    def grade(self) -> float:
        """Give the share of the calls that did not fail, in tenths; an unknown one is good."""
        return round(1 - self.failed / self.uses, 1) if self.uses else 1.0

    def breaker(self, now: datetime, *, trying: bool) -> Breaker:
        """Say whether calls leave by the trunk; ``trying`` where one is on its way already."""
        if self.failures_in_a_row < MOST_FAILURES or self.failed_at is None:
            return Breaker.CLOSED
        more = min(self.failures_in_a_row - MOST_FAILURES, 8)
        if now - self.failed_at < min(FIRST_REST * 2**more, LONGEST_REST):
            return Breaker.OPEN
        return Breaker.OPEN if trying else Breaker.HALF_OPEN


def to_blame(reason: EndedReason, *, answered: bool) -> bool | None:
    """Tell whether an end is the trunk's fault, None where it tells nothing about the trunk."""
    if answered or reason in REACHED:
        return False
    return True if reason in FAILURES else None


async def note_end(
    tx: AsyncConnection,
    attempt: tuple[Any, ...],
    reason: EndedReason,
    *,
    at: datetime,
    answered_at: datetime | None,
) -> None:
    """Note what became of an INVITE, where it left by a trunk and tells something about it.

    Shape: ``attempt`` are the conditions that select the attempt's row.
    """
    query = select(attempts).where(
        *attempt, attempts.c.trunk.is_not(None), attempts.c.sent_at.is_not(None)
    )
    used = (await tx.execute(query)).one_or_none()
    if used is None:
        return
    if used.overflowed_at is not None:
        # Whom the caller heard before is nothing of this trunk's: it dialled the overflow number.
        answered_at = used.overflow_answered_at
    failed = to_blame(reason, answered=answered_at is not None)
    if failed is None:
        return
    talked = 0.0 if answered_at is None else max(0.0, (at - answered_at).total_seconds())
    await tx.execute(
        insert(trunk_uses).values(
            attempt_id=used.id,
            fence=used.fence,
            trunk=used.trunk,
            at=at,
            reason=reason.value,
            failed=failed,
            answered=answered_at is not None,
            talked=talked,
        )
    )


async def note_refusal(
    tx: AsyncConnection, attempt_id: str, fence: int, trunk: str, why: ReturnReason, at: datetime
) -> None:
    """Note that a trunk refused an INVITE which goes to another one."""
    await tx.execute(
        insert(trunk_uses).values(
            attempt_id=attempt_id,
            fence=fence,
            trunk=trunk,
            at=at,
            reason=why.value,
            failed=True,
            answered=False,
            talked=0.0,
        )
    )


async def measure(connection: AsyncConnection, *, now: datetime) -> Mapping[str, Health]:
    """Give the health of every trunk that was used in the window."""
    since = now - WINDOW
    counted = await _counted(connection, since)
    for trunk, failures, last in await _in_a_row(connection, since):
        counted[trunk] = replace(counted[trunk], failures_in_a_row=int(failures), failed_at=last)
    return counted


async def _counted(connection: AsyncConnection, since: datetime) -> dict[str, Health]:
    uses = trunk_uses.c
    short = uses.answered & (uses.talked <= SHORT.total_seconds())
    query = (
        select(
            uses.trunk,
            func.count(),
            func.sum(case((uses.answered, 1), else_=0)),
            func.sum(case((uses.failed, 1), else_=0)),
            func.sum(case((short, 1), else_=0)),
            func.sum(uses.talked),
        )
        .where(uses.at >= since)
        .group_by(uses.trunk)
    )
    return {
        str(trunk): Health(int(n), int(answered), int(failed), int(brief), float(talked))
        for trunk, n, answered, failed, brief, talked in (await connection.execute(query)).all()
    }


async def _in_a_row(
    connection: AsyncConnection, since: datetime
) -> list[tuple[str, int, datetime]]:
    """List each trunk's failures since it last reached a callee; a phone that rings is one."""
    uses = trunk_uses.c
    ended = _seconds(connection, uses.at)
    good = (
        # A callee was reached at the answer: when the conversation ends tells nothing more.
        select(uses.trunk, func.max(ended - uses.talked).label("at"))
        .where(uses.at >= since, uses.failed.is_(False))
        .group_by(uses.trunk)
        .subquery()
    )
    reached = [AttemptState.RINGING.value, AttemptState.ANSWERED.value]
    rings = (
        select(attempts.c.trunk, func.max(_reached_at()).label("at"))
        .where(attempts.c.state.in_(reached), attempts.c.trunk.is_not(None))
        .group_by(attempts.c.trunk)
        .subquery()
    )
    query = (
        select(uses.trunk, func.count(), func.max(uses.at))
        .outerjoin(good, good.c.trunk == uses.trunk)
        .outerjoin(rings, rings.c.trunk == uses.trunk)
        .where(uses.at >= since, uses.failed)
        .where(good.c.at.is_(None) | (ended > good.c.at))
        .where(rings.c.at.is_(None) | (uses.at > rings.c.at))
        .group_by(uses.trunk)
    )
    rows = (await connection.execute(query)).all()
    return [(str(trunk), int(n), last) for trunk, n, last in rows]


def _reached_at() -> ColumnElement[Any]:
    its = attempts.c
    # Who rang on the row of a call that came in is its caller: no trunk of ours reached anybody.
    reached = func.coalesce(its.answered_at, its.ringing_at)
    return case((its.overflowed_at.is_(None), reached), else_=its.overflow_answered_at)


def _seconds(connection: AsyncConnection, at: ColumnElement[Any]) -> ColumnElement[Any]:
    """Give a moment as a number of seconds, which is told apart from others by milliseconds."""
    if connection.dialect.name == "sqlite":
        return func.julianday(at) * 86_400.0
    return extract("epoch", at)


async def forget(tx: AsyncConnection, *, now: datetime, most: int) -> int:
    """Forget uses that are too old to tell anything, so many at most; gives how many."""
    uses = trunk_uses.c
    old = select(uses.attempt_id, uses.fence).where(uses.at < now - KEPT).limit(most)
    gone = tuple_(uses.attempt_id, uses.fence).in_(old)
    return (await tx.execute(delete(trunk_uses).where(gone))).rowcount
