"""Somebody calls in, the roads in turn: how soon it is answered, and how soon the agent is heard.

All moments are the carrier's: its INVITE leaves, the bridge's 180 and 200 OK come, and the first
audible packet after them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from bench.road import calm
from bench.stage import Stage, say

_CALLER: Final = "+14155550150"
#: Who calls says nothing: what is measured is how soon there is something to hear.
_BEHAVIOUR: Final = "silent"
_HEARD_WITHIN: Final = 20.0
_ENDED_WITHIN: Final = 10.0


class Answering(Protocol):
    """A road whose workers answer calls."""

    name: str

    @property
    def pids(self) -> Any:
        """Give the workers' first processes."""
        ...

    async def over_inbound(self, since: float) -> None:
        """See to it that nothing is left of the calls that came in since then."""
        ...


@dataclass(frozen=True, slots=True)
class Times:
    """One call's figures.

    Units: milliseconds, None where it did not come to that.
    """

    road: str
    invite_to_ring: float | None = None
    invite_to_answer: float | None = None
    answer_to_audio: float | None = None
    invite_to_audio: float | None = None

    @classmethod
    def of(cls, road: str, record: dict[str, Any]) -> Times:
        """Work out a call's figures from the carrier's record of it."""
        invited = _sent(record["messages"])
        answered = _moment(record["answered_at"])
        audible = _moment(record["rtp"]["first_audible_at"])
        return cls(
            road,
            _between(invited, _moment(record["ringing_at"])),
            _between(invited, answered),
            _between(answered, audible),
            _between(invited, audible),
        )


def _sent(messages: list[dict[str, Any]]) -> datetime | None:
    """Give the moment at which the first INVITE left."""
    for message in messages:
        if (message["direction"], message["method"], message["status"]) == ("tx", "INVITE", 0):
            return _moment(message["at"])
    return None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    if begin is None or end is None:
        return None
    return round((end - begin).total_seconds() * 1000, 3)


async def one_call(stage: Stage, road: Answering, number: str) -> Times:
    """Let somebody call, and hang up as soon as the agent is heard."""
    since, callees = time.time() - 0.001, stage.callees
    call = await callees.call_in(number, caller=_CALLER, behaviour=_BEHAVIOUR)
    record = await _when(stage, call, _HEARD_WITHIN, heard=True)
    await callees.end(call)
    await _when(stage, call, _ENDED_WITHIN, heard=False)
    await road.over_inbound(since)
    return Times.of(road.name, record)


async def _when(stage: Stage, call: str, timeout: float, *, heard: bool) -> dict[str, Any]:
    """Give the record once the agent was heard, or the call is over, or the time is."""
    deadline = time.monotonic() + timeout
    while True:
        record = await stage.callees.record(call)
        reached = heard and record["rtp"]["first_audible_at"]
        if reached or record["state"] == "ended" or time.monotonic() > deadline:
            return record
        await asyncio.sleep(0.05)


async def warm(stage: Stage, road: Answering, number: str, calls: int) -> None:
    """Let the road do for the first time what is done once."""
    for _ in range(calls):
        await one_call(stage, road, number)
    await calm(road.pids)


async def in_turn(stage: Stage, roads: Mapping[str, Answering], n: int) -> list[dict[str, Any]]:
    """Measure n calls of each road, changing roads with every call; ``roads`` are by number."""
    pids = [pid for road in roads.values() for pid in road.pids]
    measured: list[Times] = []
    for turn in range(1, n + 1):
        for number, road in roads.items():
            await calm(pids)
            times = await one_call(stage, road, number)
            measured.append(times)
            say(f"caller {turn}/{n} {told(times)}")
        await stage.callees.forget()
    return [asdict(times) for times in measured]


def told(times: Times) -> str:
    """Put a call into a line."""
    figures = {
        "180": times.invite_to_ring,
        "200 OK": times.invite_to_answer,
        "audio": times.invite_to_audio,
        "audio after the 200": times.answer_to_audio,
    }
    parts = [f"{name} {'-' if ms is None else f'{ms:.0f} ms'}" for name, ms in figures.items()]
    return f"{times.road}: {', '.join(parts)}"
