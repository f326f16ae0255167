"""One call as long as the soak, whose far end refreshes its session every quarter of an hour.

A call that reaches its first refresh and dies there is what users of SIP bridges know as the call
that always ends after fifteen minutes (https://github.com/livekit/sip/pull/582).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from bench.callee import Heard
from bench.models import ALL_DELAYS
from bench.road_ours import OurRoad
from bench.stage import Stage, say

#: Answers, talks until hung up, and hangs up itself where a refresh is not answered.
SESSION_KEPT: Final = "+14155550153"
_ANSWERS_WITHIN: Final = 30.0
#: Units: seconds, for what is asked of the call before it is hung up.
_LIMIT_BEYOND: Final = 300


async def hold(ready: Stage, road: OurRoad, until: float) -> dict[str, Any]:
    """Hold the call until a moment; give what it was like.

    Shape: ``lived`` whether it still was up at the end, ``refreshes`` and ``answered`` how often
    the far end offered its session again and was answered 200. Units: ``until`` in seconds since
    the epoch, ``seconds`` on the phone, ``replies`` ms less the models' delays.
    """
    limit = int(until - time.time()) + _LIMIT_BEYOND
    placed = await road.place(SESSION_KEPT, max_duration_seconds=limit)
    heard = await _answered(ready, placed.accepted)
    if heard is None:
        say("the long call was never answered")
        await road.over(placed)
        return {"lived": False, "seconds": 0.0, "refreshes": 0, "answered": 0, "replies": []}
    await asyncio.sleep(max(0.0, until - time.time()))
    raw = await ready.callees.record(heard.id)
    await ready.callees.hang_up(heard)
    await road.over(placed)
    return seen(raw, time.time())


async def _answered(ready: Stage, since: float) -> Heard | None:
    found = await ready.callees.until(
        SESSION_KEPT,
        since - 0.5,
        lambda calls: any(call.first_audio is not None for call in calls),
        timeout=_ANSWERS_WITHIN,
    )
    return found[0] if found else None


def seen(raw: dict[str, Any], now: float) -> dict[str, Any]:
    """Read the carrier's record of the call; ``now`` in seconds since the epoch."""
    heard = Heard.of(raw)
    messages: list[dict[str, Any]] = raw["messages"]
    offers = [
        m
        for m in messages
        if m["direction"] == "tx" and m["method"] == "INVITE" and not m["status"]
    ]
    asked = {m["cseq"] for m in offers}
    agreed = {
        m["cseq"]
        for m in messages
        if m["direction"] == "rx" and m["status"] == 200 and m["cseq"] in asked
    }
    return {
        "lived": heard.state == "answered",
        "seconds": now - (heard.answered or now),
        "refreshes": len(asked),
        "answered": len(agreed),
        "replies": [
            [replied, 1000 * (replied - spoke - ALL_DELAYS)] for spoke, replied in heard.replies
        ],
        "lost": heard.lost + heard.dropouts,
        "audible": heard.audible,
    }
