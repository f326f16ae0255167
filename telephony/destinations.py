"""What kind of place a number leads to: an emergency service, an expensive line, a risky network.

Prefixes are looked at before the numbering plan is: a premium number that no plan lists yet is
still a premium number. Source: ITU-T E.164.1 and the list of assigned country codes (+808, +870,
+878, +881 to +883, +888, +979), NANPA (900, 976), the Ofcom numbering plan (+44 9); short numbers
and number types by the phonenumbers library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

import phonenumbers
from phonenumbers import PhoneNumberType, shortnumberinfo

from telephony.numbers import E164

#: Emergency and crisis numbers, wherever one stands; the library knows more for each country.
EMERGENCY_CODES = frozenset(
    {"000", "110", "111", "112", "113", "118", "119", "911", "988", "995", "997", "998", "999"}
)

#: The longest emergency number that a plan has, and the longest country code before it.
_LONGEST_CODE = 6
_LONGEST_COUNTRY_CODE = 3

_PREMIUM = re.compile(r"\+(?:1900|1976|1\d{3}976|449|808|979)\d*\Z")
_HIGH_RISK = re.compile(r"\+(?:800|870|878|881|882|883|888)\d*\Z")

_PREMIUM_TYPES = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        # Follow-me numbers: priced by whoever owns them, and a known way to collect that price.
        PhoneNumberType.PERSONAL_NUMBER,
    }
)


class Kind(StrEnum):
    """What a destination is, as far as its risk goes."""

    ORDINARY = "ordinary"
    EMERGENCY = "emergency"
    PREMIUM = "premium"
    HIGH_RISK = "high_risk"


def kind_as_written(compact: str) -> Kind:
    """Judge digits that need not be a valid number, as ``numbers.written`` gives them."""
    if _is_emergency(compact):
        return Kind.EMERGENCY
    if _PREMIUM.match(compact):
        return Kind.PREMIUM
    if _HIGH_RISK.match(compact):
        return Kind.HIGH_RISK
    return Kind.ORDINARY


def kind(number: E164) -> Kind:
    """Judge a valid number."""
    judged = kind_as_written(str(number))
    if judged is not Kind.ORDINARY:
        return judged
    if number.type in _PREMIUM_TYPES:
        return Kind.PREMIUM
    return Kind.ORDINARY if number.region else Kind.HIGH_RISK


def _is_emergency(compact: str) -> bool:
    bare = compact.lstrip("+")
    if not bare.isdecimal() or len(bare) > _LONGEST_CODE + _LONGEST_COUNTRY_CODE:
        return False
    if _is_code(bare, phonenumbers.SUPPORTED_SHORT_REGIONS):
        return True
    # +1911, +44999 and 1911: an emergency number behind a country code is still one.
    for length in range(1, _LONGEST_COUNTRY_CODE + 1):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(bare[:length] or 0))
        if regions and _is_code(bare[length:], regions):
            return True
    return False


def _is_code(digits: str, regions: Iterable[str]) -> bool:
    if len(digits) > _LONGEST_CODE:
        return False
    return digits in EMERGENCY_CODES or any(
        shortnumberinfo.is_emergency_number(digits, region) for region in regions
    )
