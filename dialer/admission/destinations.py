"""Where may a call go? For now: any valid number that is no emergency service."""

from __future__ import annotations

from dialer.problems import BadRequest
from telephony.numbers import E164


def destination(phone_number: str | None) -> E164:
    """Give the number to ring.

    Errors: BadRequest ``required``; InvalidNumber; Refused ``emergency_blocked``.
    """
    if phone_number is None:
        raise BadRequest("required", "A sip call needs the number to ring.", field="phone_number")
    return E164.parse(phone_number)
