"""An INVITE's turn: the pace is kept where it leaves, and not only where its agent is asked for.

Agents take longer or shorter to be ready, so that calls which left the queue a second apart would
come to their carrier together. The permit is given when it is the call's turn.
"""

from __future__ import annotations

import asyncio

from dialer.calls.pacing import Pace, Pacer
from dialer.routing.trunk import Trunk
from telephony.errors import Unavailable

#: Units: seconds. A worker that asks for the permit waits for so long for its answer, and a little
#: more; one that hears nothing gives up after a few tries, and the call waits for another turn.
_LONGEST = 4.0


async def wait_for_turn(trunk: Trunk, pacer: Pacer, *, at_most: float = _LONGEST) -> None:
    """Return when one more INVITE may leave by the trunk.

    Errors: Unavailable ``trunk_paced`` when that takes longer than somebody waits for it.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + at_most
    while (delay := await pacer.take(f"{trunk.name}:invite", Pace.of(trunk.cps))) > 0:
        if loop.time() + delay > give_up:
            raise Unavailable(
                "trunk_paced", "The trunk takes no call for the moment.", retry_after=1
            )
        await asyncio.sleep(delay)
