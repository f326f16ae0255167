"""An INVITE's turn: the pace is kept where it leaves, and not only where its agent is asked for.

Agents take longer or shorter to be ready, so that calls which left the queue a second apart would
come to their carrier together. The permit is given when it is the call's turn.

To the microsecond, by the clock of the one Redis, this is when turns come. The INVITE follows its
turn after the permit's transaction, the answer's way to the worker and the bridge's own work; by as
much as these differ, two INVITEs may be nearer to each other at the carrier than their turns were.
A carrier that refuses one for it slows the trunk down, and the call is dialled again.
"""

from __future__ import annotations

import asyncio

from dialer.calls.pacing import Pace, Pacer
from dialer.routing.trunk import Trunk
from telephony.errors import Unavailable

#: Units: seconds. A worker that asks for the permit waits for so long for its answer, and a little
#: more; one that hears nothing gives up after a few tries, and the call waits for another turn.
_LONGEST = 4.0
#: Units: seconds. By how much a turn may be known before it comes, so that waking up for it costs
#: nothing of the pace; short, since a turn that is known is not slowed down any more.
_AHEAD = 0.1


async def wait_for_turn(trunk: Trunk, pacer: Pacer, *, at_most: float = _LONGEST) -> None:
    """Return when one more INVITE may leave by the trunk: not before its turn.

    Errors: Unavailable ``trunk_paced`` when that takes longer than somebody waits for it.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + at_most
    turns, pace = _turns(trunk.name), Pace.of(trunk.cps)
    while (delay := await pacer.take(turns, pace, ahead=_AHEAD)) > 0:
        if loop.time() + delay > give_up:
            raise Unavailable(
                "trunk_paced", "The trunk takes no call for the moment.", retry_after=1
            )
        await asyncio.sleep(delay)
    await asyncio.sleep(-delay)


async def slow_down(trunk: str, pacer: Pacer) -> None:
    """Halve the pace at which calls leave the queue by a trunk, and that of their INVITEs' turns.

    Shape: those that left the queue before are slowed down by their turns alone.
    """
    for paced in (trunk, _turns(trunk)):
        await pacer.slow_down(paced)


def _turns(trunk: str) -> str:
    return f"{trunk}:invite"
