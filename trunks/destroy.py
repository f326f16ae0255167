"""Take down all that has our mark, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from trunks.apply import Outcome, Result, apply, nobody
from trunks.looking import look
from trunks.patience import Patience
from trunks.plan import plan
from trunks.resources import Adapter, Found
from trunks.steps import Plan

#: Units: seconds. A dialer that runs keeps LiveKit as it read the database up to a second ago.
SETTLED = 2.0
_MOST_LOOKS: Final = 3


def destruction(found: Sequence[Found]) -> Plan:
    """Plan the end of everything of ours: as if the file wanted nothing."""
    return plan([], found)


async def take_down(
    plan: Plan,
    adapters: Sequence[Adapter],
    *,
    patience: Patience,
    tell: Callable[[Result], None] = nobody,
) -> list[Result]:
    """Carry a destruction out, and take down again what a dialer makes anew meanwhile.

    Errors: TrunkError where it cannot be seen whether something is back.
    """
    results = await apply(plan, adapters, patience=patience, tell=tell)
    gone = {result.step.key for result in results if result.outcome is Outcome.DONE}
    for _ in range(_MOST_LOOKS if gone else 0):
        await patience.sleep(SETTLED)
        back = [one for one in await look(adapters, patience) if one.key in gone]
        if not back:
            break
        results += await apply(destruction(back), adapters, patience=patience, tell=tell)
    return results
