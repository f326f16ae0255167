"""Which number does the call come from? One of the trunk's, never none."""

from __future__ import annotations

from collections.abc import Sequence

from telephony.errors import InvalidNumber, Refused, Unavailable
from telephony.numbers import E164


def caller_id(wanted: str | None, owned: Sequence[str], *, callee: E164) -> E164:
    """Give the number that is shown to the callee; by default the first that is owned.

    Errors: InvalidNumber ``caller_id_invalid``; Refused ``caller_id_not_owned`` or ``self_call``;
    Unavailable ``trunk_not_configured`` when there is none at all.
    """
    if wanted is None and not owned:
        raise Unavailable("trunk_not_configured", "No number to call from is set.", retry_after=60)
    chosen = E164(owned[0]) if wanted is None else _owned(wanted, owned)
    if chosen == callee:
        raise Refused(
            "self_call",
            "The number to ring is the number that the call comes from.",
            field="caller_id" if wanted is not None else "phone_number",
        )
    return chosen


def _owned(wanted: str, owned: Sequence[str]) -> E164:
    try:
        number = E164.parse(wanted, field="caller_id")
    except InvalidNumber:
        raise InvalidNumber(
            "caller_id_invalid",
            "The caller ID must be one of your numbers in E.164 form.",
            field="caller_id",
        ) from None
    if str(number) not in owned:
        raise Refused(
            "caller_id_not_owned", "This number is not one that you call from.", field="caller_id"
        )
    return number
