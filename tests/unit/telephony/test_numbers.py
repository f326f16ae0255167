"""A phone number is parsed once, at the edge, or refused with a code that says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.errors import InvalidNumber
from telephony.numbers import E164


@pytest.mark.parametrize(
    ("raw", "digits"),
    [
        ("+14155550100", "+14155550100"),
        ("+1 (415) 555-0100", "+14155550100"),
        ("+1.415.555.0100", "+14155550100"),
        (" +442079460018 ", "+442079460018"),
        ("＋１４１５５５５０１００", "+14155550100"),
        ("+١٤١٥٥٥٥٠١٠٠", "+14155550100"),
    ],
)
def test_a_number_is_normalised(raw: str, digits: str) -> None:
    assert E164.parse(raw).digits == digits


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "invalid_number"),
        ("   ", "invalid_number"),
        ("+", "invalid_number"),
        ("4155550100", "not_e164"),
        ("+1415555010", "invalid_number"),
        ("+1234567890123456", "invalid_number"),
        ("+01555550100", "not_e164"),
        ("00441632960960", "not_e164"),
        ("011442079460018", "not_e164"),
        ("1+4155550100", "not_e164"),
        ("++14155550100", "invalid_number"),
        ("+14155\u200b550100", "invalid_characters"),
        ("+1415\u202e5550100", "invalid_characters"),
        ("+1\u00a04155550100", "invalid_characters"),
        ("+1800FLOWERS", "letters_not_allowed"),
        ("+1 800 FLOWERS", "letters_not_allowed"),
        ("+14155550100;ext=9", "use_dtmf_field"),
        ("+14155550100x9", "use_dtmf_field"),
        ("+1 415 555 0100 ext. 9", "use_dtmf_field"),
        ("+14155550100,,9#", "use_dtmf_field"),
        ("sip:bob@evil.example", "sip_uri_not_allowed"),
        ("bob@host", "sip_uri_not_allowed"),
        ("tel:+14155550100", "sip_uri_not_allowed"),
        ("+1415\r\nX-Evil: 1", "invalid_characters"),
        ("%0d%0a", "invalid_characters"),
        ("<+14155550100>", "invalid_characters"),
        ('"+14155550100"', "invalid_characters"),
        ("+1" * 1000, "invalid_number"),
    ],
)
def test_what_is_not_a_number_is_refused_with_its_code(raw: str, code: str) -> None:
    with pytest.raises(InvalidNumber) as caught:
        E164.parse(raw)
    assert caught.value.code == code
    assert caught.value.field == "phone_number"


def test_the_repr_of_a_number_hides_its_digits() -> None:
    number = E164.parse("+14155550100")
    assert "4155550" not in repr(number)
    assert "4155550" not in f"{number!r}"


@given(st.text(max_size=80))
def test_any_text_is_a_number_or_a_coded_refusal(raw: str) -> None:
    try:
        number = E164.parse(raw)
    except InvalidNumber as refused:
        code = refused.code
        assert code
    else:
        assert number.digits[0] == "+"
        assert number.digits[1:].isascii()
        assert number.digits[1:].isdigit()
        assert E164.parse(number.digits) == number
