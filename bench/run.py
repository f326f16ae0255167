"""One run from the start of the servers to the written result."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import latency
from bench.road_baseline import BaselineRoad
from bench.road_ours import OurRoad
from bench.stage import Stage, say, stage


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
    result: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(stage(plan.out))
        say("the servers are ready")
        if "latency" in plan.parts:
            result["latency"] = await _latency(ready, plan)
    (plan.out / "result.json").write_text(json.dumps(result, indent=1))
    return 0


async def _latency(ready: Stage, plan: Plan) -> list[dict[str, Any]]:
    ours = OurRoad(ready, capacity=plan.capacity, workers=plan.workers or 2)
    baseline = BaselineRoad(ready, raised=True)
    try:
        await ours.start(1)
        await baseline.start(1)
        say("both roads' workers are ready")
        await latency.warm(ready, ours, 4)
        await latency.warm(ready, baseline, 2)
        return await latency.in_turn(ready, (ours, baseline), plan.n)
    finally:
        for road in (ours, baseline):
            await road.stop()
            await road.aclose()
