"""One run from the start of the servers to the written result."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench import (
    api_throughput,
    inbound,
    inbound_numbers,
    latency,
    load,
    machine,
    pacing,
    planning,
    report,
    shipped,
)
from bench.road import Road
from bench.road_baseline import BaselineRoad
from bench.road_ours import OurRoad
from bench.stage import Stage, say, stage

Keep: TypeAlias = Callable[[str, list[dict[str, Any]]], None]

#: What both roads' servers are needed for.
_STAGED: Final = {"latency", "inbound", "api", "shipped", "load"}
_AT_ONCE: Final = 20
#: As many calls as make the level at which the first audio is measured as often as with one call.
_PROBED: Final = 10
#: Two worker processes of the product's default size are there, however few calls there are.
_SMALLEST: Final = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

    parts: tuple[str, ...]
    n: int
    quick: bool
    levels: tuple[int, ...]
    capacity: int
    workers: int | None
    out: Path
    publish: bool
    command: str


async def run(plan: Plan) -> int:
    """Measure, and write result.json, the plots and the tables.

    Shape: result.json grows with every part and level, and a run that is broken off is written too:
    what was measured until then is worth as much.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "machine": machine.describe(plan.command),
        "machine_cores": os.cpu_count() or 1,
    }

    def keep(part: str, found: list[dict[str, Any]]) -> None:
        result[part] = found
        (plan.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")

    try:
        if set(plan.parts) & _STAGED:
            async with stage(plan.out) as ready:
                say("the servers are ready")
                await _on_stage(ready, plan, keep)
        await _beside_no_stage(plan, keep)
    finally:
        if set(result) & set(report.HEADINGS):
            print(report.write(plan.out, publish=plan.publish))
            say(f"written: {plan.out}/result.json, report.md, plots")
    return 0


async def _beside_no_stage(plan: Plan, keep: Keep) -> None:
    """Measure what has servers of its own, when the stage's are gone."""
    if "plan" in plan.parts:
        keep("plan", await planning.measure(plan.out, quick=plan.quick))
    if "pacing" in plan.parts:
        keep("pacing", await pacing.measure(plan.out, quick=plan.quick))


async def _on_stage(ready: Stage, plan: Plan, keep: Keep) -> None:
    if "latency" in plan.parts:
        keep("latency", await _latency(ready, plan))
    if "inbound" in plan.parts:
        keep("inbound", await _inbound(ready, plan))
    if "api" in plan.parts:
        keep("api", await api_throughput.measure(ready, seconds=2 if plan.quick else 5))
    if "shipped" in plan.parts:
        keep("shipped", await _shipped(ready, plan))
    if "load" in plan.parts:
        found: list[dict[str, Any]] = []
        async for level in _load(ready, plan):
            found.append(asdict(level))
            keep("load", found)


async def _latency(ready: Stage, plan: Plan) -> list[dict[str, Any]]:
    ours = OurRoad(ready, capacity=plan.capacity, workers=plan.workers or 2)
    async with _open(ours, 1), _open(BaselineRoad(ready, raised=True), 1) as baseline:
        say("both roads' workers are ready")
        await latency.warm(ready, ours, 4)
        await latency.warm(ready, baseline, 2)
        return await latency.in_turn(ready, (ours, baseline), plan.n)


async def _inbound(ready: Stage, plan: Plan) -> list[dict[str, Any]]:
    ours = OurRoad(ready, capacity=plan.capacity, workers=plan.workers or 2)
    baseline = BaselineRoad(ready, raised=True)
    numbers = (inbound_numbers.OURS, inbound_numbers.BASELINE)
    async with (
        _open(ours, 1),
        _open(baseline, 1),
        inbound_numbers.ours_at(ready, numbers[0]),
        inbound_numbers.baseline_at(ready, numbers[1], baseline.agent),
    ):
        say("both roads answer their numbers")
        await inbound.warm(ready, ours, numbers[0], 4)
        await inbound.warm(ready, baseline, numbers[1], 2)
        roads: dict[str, inbound.Answering] = {numbers[0]: ours, numbers[1]: baseline}
        return await inbound.in_turn(ready, roads, plan.n)


async def _shipped(ready: Stage, plan: Plan) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with _open(BaselineRoad(ready, raised=False), 1) as road:
        found.append(await shipped.one_after_another(ready, road, 3 if plan.quick else 10))
        found.append(await shipped.at_once(ready, road, _AT_ONCE))
    ours = OurRoad(ready, capacity=plan.capacity, workers=plan.workers)
    async with _open(ours, _AT_ONCE) as road:
        await latency.warm(ready, road, 4)
        found.append(await shipped.at_once(ready, road, _AT_ONCE))
    return found


async def _load(ready: Stage, plan: Plan) -> AsyncGenerator[load.Level]:
    for calls in plan.levels:
        ours = OurRoad(ready, capacity=plan.capacity, workers=plan.workers)
        for road in (ours, BaselineRoad(ready, raised=True)):
            # Workers started anew for each level: none pays for what the one before left behind.
            async with _open(road, max(calls, _SMALLEST)):
                base = await load.idle(road)
                yield base
                yield await _at_level(ready, plan, road, calls, base)


async def _at_level(
    ready: Stage, plan: Plan, road: Road, calls: int, base: load.Level
) -> load.Level:
    probes = 5 if plan.quick else plan.n if calls == _PROBED else 8
    seconds = 10 if plan.quick else 20
    try:
        await latency.warm(ready, road, 2)
        return await load.level(ready, road, calls, seconds=seconds, probes=probes)
    except Exception as error:
        # Too many for the machine: livekit-server itself may give no answer any more.
        say(f"{road.name}, {calls} calls: could not be measured, {type(error).__name__}: {error}")
        await ready.callees.hang_up_all()
        return replace(base, calls=calls)


@asynccontextmanager
async def _open(road: Road, calls: int) -> AsyncGenerator[Road]:
    try:
        await road.start(calls)
        yield road
    finally:
        await road.stop()
        await road.aclose()
