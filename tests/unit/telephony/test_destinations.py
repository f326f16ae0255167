"""Where a number leads is known before anybody is rung."""

from __future__ import annotations

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType, shortnumberinfo

from telephony.destinations import EMERGENCY_CODES, Kind, kind, kind_as_written
from telephony.numbers import COUNTRIES, E164

ORDINARY_TYPES = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.TOLL_FREE)
COSTLY_TYPES = (
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER,
)


def examples(region: str, types: tuple[int, ...]) -> list[E164]:
    found = (phonenumbers.example_number_for_type(region, type_) for type_ in types)
    e164 = phonenumbers.PhoneNumberFormat.E164
    return [E164(phonenumbers.format_number(one, e164)) for one in found if one is not None]


@pytest.mark.parametrize("region", sorted(COUNTRIES))
def test_every_country_has_ordinary_numbers_and_its_costly_ones_are_known(region: str) -> None:
    ordinary = examples(region, ORDINARY_TYPES)
    assert ordinary
    assert [kind(number) for number in ordinary] == [Kind.ORDINARY] * len(ordinary)
    assert all(region in number.regions for number in ordinary)
    assert {kind(number) for number in examples(region, COSTLY_TYPES)} <= {Kind.PREMIUM}


@pytest.mark.parametrize("region", sorted(COUNTRIES & set(phonenumbers.SUPPORTED_SHORT_REGIONS)))
def test_every_countrys_emergency_numbers_are_known_also_behind_its_code(region: str) -> None:
    known = [code for code in EMERGENCY_CODES if shortnumberinfo.is_emergency_number(code, region)]
    country = phonenumbers.country_code_for_region(region)
    for code in [*known, "112", "911"]:
        assert kind_as_written(code) is Kind.EMERGENCY
        assert kind_as_written(f"+{country}{code}") is Kind.EMERGENCY


@pytest.mark.parametrize(
    "written", ["911", "112", "999", "988", "110", "000", "113", "+1911", "1911", "+1988", "933"]
)
def test_emergency_and_crisis_numbers_are_known(written: str) -> None:
    assert kind_as_written(written) is Kind.EMERGENCY


@pytest.mark.parametrize("written", ["", "+", "9", "4155550100", "+19115550100", "+14155550911"])
def test_what_only_looks_like_an_emergency_number_is_none(written: str) -> None:
    assert kind_as_written(written) is Kind.ORDINARY


@pytest.mark.parametrize(
    "written",
    ["+19005550100", "+12129765555", "+19765550100", "+449012345678", "+979123456789", "+80812345"],
)
def test_premium_numbers_are_known_by_their_prefix(written: str) -> None:
    assert kind_as_written(written) is Kind.PREMIUM


@pytest.mark.parametrize("code", ["800", "870", "878", "881", "882", "883", "888"])
def test_codes_of_no_country_are_a_high_risk(code: str) -> None:
    assert kind_as_written(f"+{code}12345678") is Kind.HIGH_RISK


def test_no_code_of_no_country_is_ordinary() -> None:
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    for code in (code for code, regions in codes.items() if regions == ("001",)):
        assert kind_as_written(f"+{code}12345678") in (Kind.PREMIUM, Kind.HIGH_RISK)


@pytest.mark.parametrize(
    ("digits", "region"),
    [
        ("+14155550100", "US"),
        ("+16135550100", "CA"),
        ("+17875550100", "PR"),
        ("+18765550100", "JM"),
        ("+12844940100", "VG"),
        ("+447781123456", "GG"),
    ],
)
def test_a_shared_country_code_is_not_one_country(digits: str, region: str) -> None:
    assert E164.parse(digits).region == region
    assert E164.parse(digits).regions == (region,)


def test_toll_free_numbers_of_the_nanp_belong_to_its_countries_at_large() -> None:
    regions = E164.parse("+18005550100").regions
    assert {"US", "CA", "JM"} <= set(regions)
