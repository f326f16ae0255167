"""One run from the start of the servers to the written result."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench import api_throughput, latency, load, machine, report, shipped
from bench.road import Road
from bench.road_baseline import BaselineRoad
from bench.road_ours import OurRoad
from bench.stage import Stage, say, stage

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
    """Measure, and write result.json, the plots and the tables."""
    plan.out.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "machine": machine.describe(plan.command),
        "machine_cores": os.cpu_count() or 1,
    }
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(stage(plan.out))
        say("the servers are ready")
        if "latency" in plan.parts:
            result["latency"] = await _latency(ready, plan)
        if "shipped" in plan.parts:
            result["shipped"] = await _shipped(ready, plan)
        if "load" in plan.parts:
            result["load"] = await _load(ready, plan)
        if "api" in plan.parts:
            result["api"] = await api_throughput.measure(ready, seconds=2 if plan.quick else 5)
    (plan.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    print(report.write(plan.out, publish=plan.publish))
    say(f"written: {plan.out}/result.json, report.md, plots")
    return 0


async def _latency(ready: Stage, plan: Plan) -> list[dict[str, Any]]:
    ours = OurRoad(ready, capacity=plan.capacity, workers=plan.workers or 2)
    async with _open(ours, 1), _open(BaselineRoad(ready, raised=True), 1) as baseline:
        say("both roads' workers are ready")
        await latency.warm(ready, ours, 4)
        await latency.warm(ready, baseline, 2)
        return await latency.in_turn(ready, (ours, baseline), plan.n)


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


async def _load(ready: Stage, plan: Plan) -> list[dict[str, Any]]:
    found: list[load.Level] = []
    for calls in plan.levels:
        ours = OurRoad(ready, capacity=plan.capacity, workers=plan.workers)
        found += await _at_level(ready, plan, ours, calls)
        found += await _at_level(ready, plan, BaselineRoad(ready, raised=True), calls)
    return [asdict(level) for level in found]


async def _at_level(ready: Stage, plan: Plan, road: Road, calls: int) -> list[load.Level]:
    """Workers started anew for each level: no level pays for what the one before left behind."""
    async with _open(road, max(calls, _SMALLEST)):
        base = await load.idle(road)
        await latency.warm(ready, road, 2)
        probes = 5 if plan.quick else plan.n if calls == _PROBED else 8
        seconds = 10 if plan.quick else 20
        at = await load.level(ready, road, calls, seconds=seconds, probes=probes)
        return [base, at]


@asynccontextmanager
async def _open(road: Road, calls: int) -> AsyncGenerator[Road]:
    try:
        await road.start(calls)
        yield road
    finally:
        await road.stop()
        await road.aclose()
