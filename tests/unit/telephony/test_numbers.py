"""A phone number is parsed once, at the edge, or refused with a code that says why."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telephony.destinations import Kind, kind_as_written
from telephony.errors import InvalidNumber
from telephony.numbers import COUNTRIES, E164


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


def check(raw: str) -> E164 | None:
    """Parse it; nothing but a whole number or a documented refusal may come of it."""
    code = None
    try:
        number = E164.parse(raw)
    except InvalidNumber as refused:
        number, code = None, refused.code
    if number is None:
        assert code in CODES
        return None
    assert re.fullmatch(r"\+[1-9][0-9]{6,14}", number.digits, re.ASCII)
    assert E164.parse(number.digits) == number
    return number


CODES = {
    "invalid_number",
    "not_e164",
    "invalid_characters",
    "letters_not_allowed",
    "use_dtmf_field",
    "sip_uri_not_allowed",
}
#: What ends a header, opens or closes a URI, or hides: in no place may it come through.
INJECTED = ["\r", "\n", "\r\n", "\0", "<", ">", '"', "'", "%0d%0a", "\u200b", "\u202e", "\u2028"]

written = st.one_of(
    st.text(max_size=80),
    st.text("+0123456789 ().-/;=,#*@:xpwext\r\n\uff0b\uff11\u0661", max_size=24),
    st.from_regex(r"\+[0-9 ().-]{6,20}", fullmatch=True),
)


@given(written)
def test_any_text_is_a_number_or_a_coded_refusal(raw: str) -> None:
    check(raw)


@given(st.sampled_from(sorted(COUNTRIES)), st.data())
def test_a_number_of_any_country_is_taken_however_it_is_spaced(
    region: str, data: st.DataObject
) -> None:
    example = phonenumbers.example_number(region)
    assert example is not None
    digits = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    gaps = data.draw(st.lists(st.sampled_from(["", " ", "-", "."]), min_size=15, max_size=15))
    spaced = digits[0] + "".join(a + b for a, b in zip(digits[1:], gaps, strict=False))
    found = check(spaced)
    assert found is not None
    assert (str(found), region in found.regions) == (digits, True)


@given(st.sampled_from(INJECTED), st.integers(0, 12), st.text("0123456789 :;<>\r\n", max_size=8))
def test_what_would_break_a_header_never_comes_through(mark: str, place: int, rest: str) -> None:
    number = "+14155550100"
    with pytest.raises(InvalidNumber):
        E164.parse(number[:place] + mark + rest + number[place:])


@given(st.text(max_size=40))
@example("\u00b9")  # a digit that is no decimal
def test_what_is_judged_before_it_is_a_number_is_always_judged(raw: str) -> None:
    assert kind_as_written(raw) in Kind
