"""The latest calls as the page lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.calls.schemas import CallView
from dialer.calls.store import Calls, Filter
from dialer.calls.view import call_view
from telephony.call import CallStatus, CallType, Direction, Outcome

#: How many the page shows.
SHOWN = 8


@dataclass(frozen=True, slots=True)
class LatestCall:
    """One line of the list.

    Shape: ``tone`` is "good", "bad", "live" or "plain"; ``why`` is empty while the call lasts.
    """

    id: str
    queued_at: datetime
    other_side: str
    agent: str
    state: str
    tone: str
    why: str
    duration: str


async def latest(connection: AsyncConnection, tenant_id: str) -> list[LatestCall]:
    """List the tenant's newest calls."""
    rows, _ = await Calls(connection, tenant_id).page(Filter(), cursor=None, limit=SHOWN)
    return [line(call_view(row)) for row in rows]


def line(call: CallView) -> LatestCall:
    """Say in a few words what became of a call, or where it is."""
    return LatestCall(
        id=call.id,
        queued_at=call.timestamps.queued_at,
        other_side=_other_side(call),
        agent=call.agent,
        state=_words(call.outcome or call.status),
        tone=_tone(call),
        why=_words(call.ended_reason) if call.ended_reason else "",
        duration=_minutes(call.duration_seconds),
    )


def _other_side(call: CallView) -> str:
    if call.call_type is CallType.VOIP:
        return "Browser"
    if call.direction is Direction.INBOUND:
        return f"from {call.caller_id or 'a hidden number'}"
    return call.phone_number or ""


def _tone(call: CallView) -> str:
    if call.status is not CallStatus.ENDED:
        return "live"
    if call.outcome is Outcome.COMPLETED:
        return "good"
    return "bad" if call.outcome is Outcome.FAILED else "plain"


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return ""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
