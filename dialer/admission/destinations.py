"""Where may a call go? To an ordinary number of an allowed country, and nowhere else."""

from __future__ import annotations

from collections.abc import Set

from dialer.problems import BadRequest
from telephony.destinations import Kind, kind, kind_as_written
from telephony.errors import Refused
from telephony.numbers import E164, written

_FIELD = "phone_number"


def destination(phone_number: str | None) -> E164:
    """Give the number to ring.

    Errors: BadRequest ``required``; InvalidNumber; Refused ``emergency_blocked``,
    ``premium_blocked`` or ``high_risk_destination``.
    """
    if phone_number is None:
        raise BadRequest("required", "A sip call needs the number to ring.", field=_FIELD)
    compact = written(phone_number)
    _refuse(kind_as_written(compact))
    number = E164.of_written(compact)
    _refuse(kind(number))
    return number


def allowed_country(number: E164, allowed: Set[str]) -> None:
    """Refuse a number of a country that calls may not go to.

    Shape: a number that several countries share, as +1 800, may be called where one of them may.
    Errors: Refused ``country_not_allowed``, naming the country and the setting.
    """
    if number.region not in allowed and allowed.isdisjoint(number.regions):
        raise Refused(
            "country_not_allowed",
            f"Calls to {number.region} are not allowed: ALLOWED_COUNTRIES is "
            f"{','.join(sorted(allowed)) or 'empty'}.",
            field=_FIELD,
        )


def _refuse(judged: Kind) -> None:
    if judged is Kind.EMERGENCY:
        raise Refused(
            "emergency_blocked", "Emergency and crisis numbers are never dialled.", field=_FIELD
        )
    if judged is Kind.PREMIUM:
        raise Refused(
            "premium_blocked",
            "Numbers whose price their owner sets are never dialled.",
            field=_FIELD,
        )
    if judged is Kind.HIGH_RISK:
        raise Refused(
            "high_risk_destination",
            "Satellite and international networks, which belong to no country, are never dialled.",
            field=_FIELD,
        )
