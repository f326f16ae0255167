"""Whose number a call that came in shows: that of the address, whatever stands beside it."""

from __future__ import annotations

import pytest

from telephony.bridge_attributes import CALLER, number_in

NUMBER, OTHER = "+14155550150", "+14155550199"


@pytest.mark.parametrize(
    "header",
    [
        f"<sip:{NUMBER}@203.0.113.7>;tag=1",
        f"sip:{NUMBER}@203.0.113.7;tag=1",
        f"Ada <SIPS:{NUMBER}@203.0.113.7:5061;transport=tls>;tag=1",
        f'"sip:{OTHER}@203.0.113.7" <sip:{NUMBER}@203.0.113.7>;tag=1',
        f'"<sip:{OTHER}@x>" <sip:{NUMBER}@203.0.113.7>;tag=1',
        rf'"\"<sip:{OTHER}@x>\"" <sip:{NUMBER}@203.0.113.7>;tag=1',
        f"sip:{OTHER}@x <sip:{NUMBER}@203.0.113.7>;tag=1",
        f'<sip:{NUMBER}@203.0.113.7>;tag=1;x="<sip:{OTHER}@x>"',
    ],
)
def test_a_display_name_is_nobodys_number(header: str) -> None:
    assert number_in({"sip.h.from": header}, CALLER) == NUMBER


@pytest.mark.parametrize("header", [f'"sip:{OTHER}@x" <sip:203.0.113.7>', f'"{OTHER}" <>', '""'])
def test_an_address_without_a_user_has_no_number(header: str) -> None:
    assert OTHER not in (number_in({"sip.h.from": header}, CALLER) or "")


def test_the_bridges_own_word_goes_before_the_header_and_has_an_end() -> None:
    told = {"sip.phoneNumber": NUMBER, "sip.h.from": f"<sip:{OTHER}@x>"}
    assert number_in(told, CALLER) == NUMBER
    assert number_in({"sip.h.from": f"<sip:{'9' * 300}@x>"}, CALLER) == "9" * 64
    assert number_in({}, CALLER) is None
