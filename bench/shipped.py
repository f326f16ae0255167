"""Does every call that was asked for ring? One after another, and twenty at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from bench import latency
from bench.callee import AT_ONCE
from bench.road import Road, calm
from bench.stage import Stage, say

_PATIENCE: Final = 40.0


async def one_after_another(stage: Stage, road: Road, n: int) -> dict[str, Any]:
    """Place n calls, each when the one before is over."""
    rang = 0
    for number in range(1, n + 1):
        await calm(road.pids)
        times = await latency.one_call(stage, road, AT_ONCE, replies=0)
        rang += times.accepted_to_invite is not None
        say(f"call {number}/{n} {latency.told(times)}")
    return {"road": road.name, "kind": "one after another", "calls": n, "rang": rang}


async def at_once(stage: Stage, road: Road, n: int) -> dict[str, Any]:
    """Place n calls in the same moment, and count the phones that ring within 40 seconds."""
    await calm(road.pids)
    since = time.time()
    placed = await asyncio.gather(*(road.place(AT_ONCE) for _ in range(n)))
    heard = await stage.callees.until(
        AT_ONCE, since, lambda found: len(found) >= n, timeout=_PATIENCE, every=0.25
    )
    say(f"{road.name}: {len(heard)} of {n} calls at once rang")
    last = max((record.invited for record in heard), default=since) - since
    await stage.callees.hang_up_all()
    await asyncio.gather(*(road.over(call) for call in placed))
    await stage.callees.hang_up_all()
    await stage.callees.forget()
    return {
        "road": road.name,
        "kind": "at once",
        "calls": n,
        "rang": len(heard),
        "last_invite_seconds": round(last, 3),
    }
