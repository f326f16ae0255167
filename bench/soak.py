"""Half an hour of calls, phones and browsers: ``python -m bench.soak --minutes 30``.

Every seat is a caller who talks for a while, hangs up and calls again; one talks for all of the
time, and refreshes its session meanwhile. Looked at every few
seconds: file descriptors and memory of each process. Compared at the end: the first and the last
five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import latency, long_call, machine, process_tree, soak_report, tables
from bench.browser_caller import BrowserCaller, spoken
from bench.callee import AT_ONCE, Heard
from bench.models import ALL_DELAYS
from bench.road_ours import CAPACITY, OurRoad
from bench.stage import Stage, say, stage
from sandbox.folders import PROJECT
from sandbox.interrupts import until_interrupted

_LOOK_EVERY: Final = 5.0
_TALKS: Final = 40.0
_ANSWERS_WITHIN: Final = 20.0
_SHARE: Final = 0.7
_BROWSERS: Final = 0.2
#: The long call, a browser and a phone.
_FEWEST: Final = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    minutes: float
    calls: int
    out: Path
    publish: bool
    command: str


@dataclass
class Book:
    """All that was seen; moments are seconds since the begin."""

    began: float = field(default_factory=time.time)
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    looks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    taken: set[str] = field(default_factory=set[str])
    long_call: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def now(self) -> float:
        """Give the seconds since the begin."""
        return time.time() - self.began


async def run(plan: Plan) -> int:
    """Soak, and write soak.json, plots and a table."""
    plan.out.mkdir(parents=True, exist_ok=True)
    told = machine.describe(plan.command)
    book = Book()
    async with stage(plan.out) as ready:
        say(f"the servers are ready; {plan.calls} calls at once for {plan.minutes:g} minutes")
        road = OurRoad(ready)
        try:
            await road.start(plan.calls)
            await latency.warm(ready, road, 4)
            book = await _soak(ready, road, plan)
        finally:
            await road.stop()
            await road.aclose()
    result = {
        "machine": told,
        "calls_at_once": plan.calls,
        "minutes": plan.minutes,
        "calls": book.calls,
        "looks": book.looks,
        "long_call": book.long_call,
    }
    (plan.out / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    print(soak_report.write(plan.out, publish=plan.publish))
    return 0


async def _soak(ready: Stage, road: OurRoad, plan: Plan) -> Book:
    book, until = Book(), time.time() + 60 * plan.minutes
    browsers = max(1, round(plan.calls * _BROWSERS)) if plan.calls > 1 else 0
    line = spoken()
    watch = asyncio.create_task(_watch(ready, road, book))
    phones = plan.calls - browsers - 1
    seats = [_long_call(ready, road, book, until)]
    seats += [_phone(ready, road, book, number, until) for number in range(phones)]
    seats += [_browser(road, book, line, number, until) for number in range(browsers)]
    try:
        await asyncio.gather(*seats)
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
    await asyncio.sleep(_LOOK_EVERY)
    book.looks.append(await asyncio.to_thread(_look, ready, road, book))
    return book


async def _long_call(ready: Stage, road: OurRoad, book: Book, until: float) -> None:
    book.long_call = await long_call.hold(ready, road, until)


async def _phone(ready: Stage, road: OurRoad, book: Book, seat: int, until: float) -> None:
    await asyncio.sleep(seat * 1.5)
    while time.time() < until:
        placed = await road.place(AT_ONCE)
        begun = book.now
        # Many call the same number at once: any record that no other seat has taken will do.
        heard = await _mine(ready, book, placed.accepted)
        if heard is not None:
            await asyncio.sleep(max(0.0, min(_TALKS, until - time.time())))
            now = await ready.callees.calls(AT_ONCE, heard.invited - 0.001)
            heard = next((record for record in now if record.id == heard.id), heard)
            await ready.callees.hang_up(heard)
        book.calls.append(_phone_call(begun, heard))
        await road.over(placed)


async def _mine(ready: Stage, book: Book, since: float) -> Heard | None:
    deadline = time.time() + _ANSWERS_WITHIN
    while time.time() < deadline:
        for record in await ready.callees.calls(AT_ONCE, since - 0.5):
            if record.first_audio is not None and record.id not in book.taken:
                book.taken.add(record.id)
                return record
        await asyncio.sleep(0.3)
    return None


def _phone_call(begun: float, heard: Heard | None) -> dict[str, Any]:
    call: dict[str, Any] = {"kind": "phone", "at": begun, "failed": heard is None}
    if heard is None:
        return call
    replies = [1000 * (replied - until - ALL_DELAYS) for until, replied in heard.replies]
    audio = None
    if heard.answered is not None and heard.first_audio is not None:
        audio = 1000 * (heard.first_audio - heard.answered)
    return call | {
        "first_audio": audio,
        "replies": replies,
        "dropped": heard.state == "ended",
        "lost": heard.lost + heard.dropouts,
        "audible": heard.audible,
    }


async def _browser(road: OurRoad, book: Book, line: bytes, seat: int, until: float) -> None:
    await asyncio.sleep(seat * 1.5 + 0.7)
    while time.time() < until:
        begun = book.now
        placed, body = await road.place_voip()
        caller = BrowserCaller(body["livekit_url"], body["participant_token"], line)
        try:
            await caller.talk(max(1.0, min(_TALKS, until - time.time())))
        except Exception as error:
            say(f"a browser's call failed: {type(error).__name__}: {error}")
        book.calls.append(
            {
                "kind": "browser",
                "at": begun,
                "failed": caller.first_audio is None,
                "first_audio": caller.first_audio,
                "replies": caller.replies,
                "lost": 0,
                "audible": 0,
            }
        )
        await road.hang_up(placed)
        await road.over(placed)


async def _watch(ready: Stage, road: OurRoad, book: Book) -> None:
    while True:
        look = await asyncio.to_thread(_look, ready, road, book)
        book.looks.append(look)
        if len(book.looks) % 12 == 1:
            say(
                f"minute {book.now / 60:.0f}: {len(book.calls)} calls over, workers"
                f" {look['workers']['pss'] / 1e6:.0f} MB, {look['workers']['fds']} descriptors"
            )
            await ready.callees.forget()
        await asyncio.sleep(_LOOK_EVERY)


def _look(ready: Stage, road: OurRoad, book: Book) -> dict[str, Any]:
    trees: dict[str, Sequence[int]] = {"workers": road.pids}
    for name in ("api", "livekit-server", "livekit-sip", "redis"):
        trees[name] = [ready.servers[name]]
    seen: dict[str, Any] = {"at": book.now}
    for name, pids in trees.items():
        usage = process_tree.usage(pids)
        seen[name] = {"pss": usage.pss, "fds": usage.fds}
    return seen


def _calls_of(out: Path) -> int:
    """Give 70 % of the knee that the last run found; without one, of two workers' seats."""
    try:
        levels = json.loads((out / "result.json").read_text())["load"]
        knee = tables.knee(levels, "ours")
    except (OSError, KeyError, ValueError):
        knee = 0
    return max(_FEWEST, round(_SHARE * (knee or 2 * CAPACITY)))


def main() -> int:
    """Run it; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--calls", type=int, help="at once (default: 70 %% of the knee)")
    parser.add_argument("--out", type=Path, default=PROJECT / ".bench", metavar="FOLDER")
    parser.add_argument("--publish", action="store_true", help="put it into docs/benchmarks.md")
    chosen = parser.parse_args()
    out: Path = chosen.out.resolve()
    calls = chosen.calls or _calls_of(out)
    plan = Plan(
        minutes=chosen.minutes,
        calls=calls,
        out=out,
        publish=chosen.publish,
        command=f"python -m bench.soak --minutes {chosen.minutes:g} --calls {calls}",
    )
    return asyncio.run(until_interrupted(run(plan), when_told=130))


if __name__ == "__main__":
    # LiveKit's library keeps threads that outlive the rooms.
    status = main()
    sys.stdout.flush()
    os._exit(status)
