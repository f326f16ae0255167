"""Is there a trunk for this call, and which numbers may it come from?"""

from __future__ import annotations

from collections.abc import Sequence

from dialer.routing.choose import Wish, choose
from dialer.routing.trunk import Trunk
from telephony.errors import Refused
from telephony.numbers import E164


def numbers_for(
    callee: E164, wanted: str | None, trunks: Sequence[Trunk], own: Sequence[str]
) -> Sequence[str]:
    """List the numbers that a call may come from, the one that is shown by default first.

    Shape: ``wanted`` is the one that was asked for; ``own`` are those of the settings, which may
    name some without a trunk.
    """
    if wanted is None and (best := choose(trunks, Wish(str(callee)))):
        return best[0].numbers
    return tuple(dict.fromkeys([*(n for trunk in trunks for n in trunk.numbers), *own]))


def some_trunk(callee: E164, caller_id: str | None, trunks: Sequence[Trunk]) -> None:
    """Refuse a call that none of the trunks could ever carry; without any trunk calls wait.

    Errors: Refused ``no_trunk_for_destination``.
    """
    if trunks and not any(
        trunk.fit(str(callee)) is not None and (caller_id is None or caller_id in trunk.numbers)
        for trunk in trunks
    ):
        raise Refused(
            "no_trunk_for_destination",
            "No trunk carries calls to this number"
            + (" from this caller ID." if caller_id is not None else "."),
            field="phone_number",
        )
