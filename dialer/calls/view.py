"""Turn rows into what the API tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from dialer.adapters.tables import calls
from dialer.calls.schemas import (
    CallView,
    EventView,
    Links,
    Sip,
    Timestamps,
    Transcript,
    TurnView,
)

_PLAIN = (
    "id",
    "call_type",
    "direction",
    "status",
    "phone_number",
    "phone_number_given",
    "caller_id",
    "agent",
    "variables",
    "metadata",
    "ring_timeout_seconds",
    "max_duration_seconds",
    "waiting_for",
    "attempts",
    "trunk",
    "outcome",
    "ended_by",
    "ended_reason",
    "hangup_cause",
    "hangup_cause_source",
    "answered_by",
    "recording_path",
)


def call_view(row: Row[Any]) -> CallView:
    """Tell a call; the row is one of ``Calls.get`` or ``Calls.page``."""
    return _view(row._mapping)  # pyright: ignore[reportPrivateUsage]


def new_call_view(call: Mapping[str, Any]) -> CallView:
    """Tell a call that is not stored yet, as its row will be told; its first attempt comes too."""
    return _view({**_EMPTY, **call, "attempts": 1, "trunk": None})


#: What a column says that nothing was written into.
_EMPTY: dict[str, Any] = {column.name: None for column in calls.columns}


def _view(found: Mapping[Any, Any]) -> CallView:
    return CallView(
        **{name: found[name] for name in _PLAIN},
        sip=Sip(status_code=found["sip_status_code"], status=found["sip_status"]),
        timestamps=Timestamps(**{name: found[name] for name in Timestamps.model_fields}),
        duration_seconds=_duration(found["answered_at"], found["ended_at"]),
        links=links(found["id"]),
    )


def links(call_id: str) -> Links:
    """Give the paths of a call's other sides."""
    path = f"/calls/{call_id}"
    return Links(
        self=path,
        events=f"{path}/events",
        transcript=f"{path}/transcript",
        hangup=f"{path}/hangup",
    )


def _duration(answered_at: datetime | None, ended_at: datetime | None) -> float | None:
    if answered_at is None or ended_at is None:
        return None
    return max(0.0, round((ended_at - answered_at).total_seconds(), 3))


def event_view(row: Row[Any]) -> EventView:
    """Tell an event."""
    found = row._mapping  # pyright: ignore[reportPrivateUsage]
    return EventView(**{name: found[name] for name in EventView.model_fields})


def transcript(call_id: str, rows: list[Row[Any]], *, complete: bool) -> Transcript:
    """Tell the words; the rows are events of type ``call.turn``."""
    turns = [TurnView(sequence=row.sequence, **row.data) for row in rows]
    return Transcript(call_id=call_id, complete=complete, turns=turns)
