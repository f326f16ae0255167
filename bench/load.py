"""Many calls at once: memory, CPU, loss, and how soon it still speaks and replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from bench import latency, process_tree
from bench.callee import AT_ONCE, RINGS, Callees, Heard
from bench.models import ALL_DELAYS
from bench.road import Placed, Road, calm
from bench.stage import Stage, say

#: A call is asked for this often: no road is meant to choke on the ramp itself.
_EVERY: Final = 0.5
_ALL_UP_WITHIN: Final = 25.0
_LOOK_EVERY: Final = 2.0
#: Units: seconds. Where each call beside the others takes its time, there are fewer of them.
_PROBING: Final = 150.0


@dataclass(frozen=True, slots=True)
class Level:
    """What so many calls at once cost, and what the callees heard.

    Units: bytes; CPU-seconds in a minute of one call; milliseconds. Shape: ``up`` is how many of
    the wanted calls were really up; ``loss`` a share of the packets that should have been voice.
    """

    road: str
    calls: int
    up: int
    processes: int
    pss: int
    fds: int
    cpu_per_call_minute: float | None
    servers_cpu_per_call_minute: float | None
    loss: float | None
    lost: int
    dropouts: int
    audible: int
    longest_gap: float
    replies: list[float]
    probes: list[dict[str, Any]]


async def idle(road: Road) -> Level:
    """Look at workers without a call."""
    await calm(road.pids, most=15)
    seen = process_tree.usage(road.pids)
    return Level(
        road=road.name,
        calls=0,
        up=0,
        processes=seen.processes,
        pss=seen.pss,
        fds=seen.fds,
        cpu_per_call_minute=None,
        servers_cpu_per_call_minute=None,
        loss=None,
        lost=0,
        dropouts=0,
        audible=0,
        longest_gap=0,
        replies=[],
        probes=[],
    )


async def level(stage: Stage, road: Road, calls: int, *, seconds: float, probes: int) -> Level:
    """Bring so many calls up, watch them, then place calls beside all but one of them."""
    since = time.time()
    placed = await _ramp(road, calls)
    heard = await stage.callees.until(
        RINGS, since, lambda found: _up(found) >= calls, timeout=_ALL_UP_WITHIN, every=0.5
    )
    say(f"{road.name}: {_up(heard)} of {calls} calls are up")
    watched = await _watch(stage, road, since, seconds)
    up = [record for record in watched.after if _is_up(record)]
    times: list[dict[str, Any]] = []
    if probes and up:
        await stage.callees.hang_up(up[-1])
        await asyncio.sleep(2)
        times = await _probe(stage, road, probes)
    await _end_all(stage.callees, road, placed)
    found = _level(road, calls, watched, len(up), times)
    say(told(found))
    return found


@dataclass(frozen=True, slots=True)
class _Watched:
    """A stretch of steady calls: the usage and the ledger at its begin and end."""

    looks: list[process_tree.Usage]
    servers: float
    seconds: float
    began: float
    before: list[Heard]
    after: list[Heard]


async def _ramp(road: Road, calls: int) -> list[Placed]:
    placed: list[Placed] = []
    for _ in range(calls):
        begun = time.monotonic()
        placed.append(await road.place(RINGS))
        await asyncio.sleep(max(0.0, _EVERY - (time.monotonic() - begun)))
    return placed


async def _watch(stage: Stage, road: Road, since: float, seconds: float) -> _Watched:
    await asyncio.sleep(4)  # the greetings are over, and so is what a start costs
    shared = [stage.servers["livekit-server"], stage.servers["livekit-sip"]]
    before, began = await stage.callees.calls(RINGS, since), time.time()
    servers = process_tree.cpu_seconds(shared)
    looks = [process_tree.usage(road.pids)]
    while time.time() < began + seconds:
        await asyncio.sleep(_LOOK_EVERY)
        looks.append(process_tree.usage(road.pids))
    took = time.time() - began
    after = await stage.callees.calls(RINGS, since)
    servers = process_tree.cpu_seconds(shared) - servers
    return _Watched(looks, servers, took, began, before, after)


async def _probe(stage: Stage, road: Road, probes: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    until = time.monotonic() + _PROBING
    while len(found) < probes and time.monotonic() < until:
        times = await latency.one_call(stage, road, AT_ONCE, replies=0)
        found.append(asdict(times))
        await asyncio.sleep(0.5)
    return found


async def _end_all(callees: Callees, road: Road, placed: Sequence[Placed]) -> None:
    await callees.hang_up_all()
    await asyncio.gather(*(road.over(call) for call in placed))
    await callees.forget()
    await calm(road.pids)


def _level(
    road: Road, calls: int, watched: _Watched, up: int, probes: list[dict[str, Any]]
) -> Level:
    looks = watched.looks
    minutes = up * watched.seconds / 60
    lost, dropouts, audible = _quality(watched)
    whole = lost + dropouts + audible
    return Level(
        road=road.name,
        calls=calls,
        up=up,
        processes=looks[-1].processes,
        pss=round(median(look.pss for look in looks)),
        fds=looks[-1].fds,
        cpu_per_call_minute=(looks[-1].cpu - looks[0].cpu) / minutes if up else None,
        servers_cpu_per_call_minute=watched.servers / minutes if up else None,
        loss=(lost + dropouts) / whole if whole else None,
        lost=lost,
        dropouts=dropouts,
        audible=audible,
        longest_gap=1000 * max((record.longest_gap for record in watched.after), default=0.0),
        replies=_replies(watched),
        probes=probes,
    )


def _quality(watched: _Watched) -> tuple[int, int, int]:
    earlier = {record.id: record for record in watched.before}
    lost = dropouts = audible = 0
    for record in watched.after:
        if (known := earlier.get(record.id)) is not None:
            lost += record.lost - known.lost
            dropouts += record.dropouts - known.dropouts
            audible += record.audible - known.audible
    return lost, dropouts, audible


def _replies(watched: _Watched) -> list[float]:
    return [
        round((replied - spoke_until - ALL_DELAYS) * 1000, 3)
        for record in watched.after
        for spoke_until, replied in record.replies
        if spoke_until >= watched.began
    ]


def _is_up(record: Heard) -> bool:
    return record.state == "answered" and record.first_audio is not None


def _up(found: Sequence[Heard]) -> int:
    return sum(map(_is_up, found))


def told(found: Level) -> str:
    """Put a level into a line."""
    parts = [f"{found.road}, {found.up} of {found.calls} calls: {found.pss / 1e6:.0f} MB"]
    if found.cpu_per_call_minute is not None:
        parts.append(f"{found.cpu_per_call_minute:.1f} CPU-s a call-minute")
    if found.loss is not None:
        parts.append(f"loss {found.loss:.3%}")
    if found.replies:
        parts.append(f"reply {median(found.replies):.0f} ms")
    audio = [p["answer_to_audio"] for p in found.probes if p["answer_to_audio"] is not None]
    if audio:
        parts.append(f"audio {median(audio):.0f} ms")
    return ", ".join(parts)
