"""Phone numbers: parsed once, at the edge, into E.164.

Source: ITU-T E.164 (at most 15 digits after the plus); metadata by the phonenumbers library.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

from telephony.errors import InvalidNumber

#: The countries that numbers can belong to, as ISO 3166 writes them.
COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)

_FORMATTING = re.compile(r"[ ().\-/]")
_EXTENSION = re.compile(r"(;ext=|ext\.?|x|,|#|;|\*|[pw])", re.IGNORECASE)
_ALLOWED = re.compile(r"[0-9A-Za-z+ ().\-/;=,#*@:]*\Z")
_MAX_RAW = 64


@dataclass(frozen=True, slots=True)
class E164:
    """A dialable number in E.164 form; its ``repr`` hides the digits.

    Shape: ``digits`` is ``+`` and 7 to 15 digits.
    """

    digits: str

    def __str__(self) -> str:
        return self.digits

    def __repr__(self) -> str:
        return f"E164({self.masked!r})"

    @property
    def masked(self) -> str:
        """Give the number with all but its country code and last two digits hidden."""
        return f"{self.digits[:2]}{'*' * (len(self.digits) - 4)}{self.digits[-2:]}"

    @property
    def region(self) -> str | None:
        """Name the ISO 3166 region, as ``US``; None where the plan is not a country's."""
        region = _line(self.digits).region
        return region if region in COUNTRIES else None

    @property
    def type(self) -> int:
        """Tell what kind of line the plan says it is: one of the library's PhoneNumberType."""
        return _line(self.digits).type

    @property
    def regions(self) -> tuple[str, ...]:
        """Name every region whose plan has this number.

        Shape: mostly one; several where countries share a range, as +1 800; none where the code
        belongs to no country, as +883.
        """
        number = _line(self.digits).number
        sharing = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
        return tuple(
            region
            for region in sharing
            if region in COUNTRIES and phonenumbers.is_valid_number_for_region(number, region)
        )

    @classmethod
    def parse(cls, raw: str, *, field: str = "phone_number") -> E164:
        """Parse what a person or a program wrote into one dialable number.

        Errors: InvalidNumber with the code ``invalid_number``, ``not_e164``,
        ``invalid_characters``, ``letters_not_allowed``, ``use_dtmf_field`` or
        ``sip_uri_not_allowed``.
        """
        return cls.of_written(written(raw, field=field), field=field)

    @classmethod
    def of_written(cls, compact: str, *, field: str = "phone_number") -> E164:
        """Parse what ``written`` gives.

        Errors: InvalidNumber ``invalid_number`` or ``not_e164``.
        """
        return cls(_national_plan(compact, field))


@dataclass(frozen=True, slots=True)
class _Line:
    """What the numbering plans say of one number; ``region`` may be none of a country's."""

    number: phonenumbers.PhoneNumber
    type: int
    region: str | None


@lru_cache(maxsize=64)
def _line(digits: str) -> _Line:
    # Asked for several times while one call is placed, and a third of what placing it costs.
    number = phonenumbers.parse(digits, None)
    return _Line(
        number, phonenumbers.number_type(number), phonenumbers.region_code_for_number(number)
    )


def written(raw: str, *, field: str = "phone_number") -> str:
    """Give what was written in ASCII and without its separators; it may still be no number.

    Errors: InvalidNumber, as ``E164.parse`` raises it for characters and other syntaxes.
    """
    text = _printable(raw, field)
    _refuse_other_syntaxes(text, field)
    return _FORMATTING.sub("", text)


def _printable(raw: str, field: str) -> str:
    if not raw.strip():
        raise InvalidNumber("invalid_number", "The phone number is empty.", field=field)
    if len(raw) > _MAX_RAW:
        raise InvalidNumber("invalid_number", "The phone number is far too long.", field=field)
    if raw.isascii() and raw.isprintable():
        return _allowed(raw.strip(), field)
    # Full-width and other compatibility digits become ASCII; spaces that are not U+0020 and
    # invisible marks do not: they are how a number is made to look like another one.
    if any(unicodedata.category(c) in {"Cf", "Cc", "Zl", "Zp"} or c == "\u00a0" for c in raw):
        raise _bad_characters(field)
    text = "".join(_ascii_digit(c) for c in unicodedata.normalize("NFKC", raw)).strip()
    return _allowed(text, field)


def _allowed(text: str, field: str) -> str:
    if not _ALLOWED.match(text):
        raise _bad_characters(field)
    return text


def _ascii_digit(char: str) -> str:
    return str(unicodedata.decimal(char)) if char.isdecimal() else char


def _bad_characters(field: str) -> InvalidNumber:
    return InvalidNumber(
        "invalid_characters",
        "The phone number holds characters that no phone number has.",
        field=field,
    )


def _refuse_other_syntaxes(text: str, field: str) -> None:
    lowered = text.lower()
    if "@" in text or lowered.startswith(("sip:", "sips:", "tel:")):
        raise InvalidNumber(
            "sip_uri_not_allowed", "Give a phone number in E.164 form, not a URI.", field=field
        )
    if ":" in text or ("=" in text and ";ext=" not in lowered):
        raise _bad_characters(field)
    match = _EXTENSION.search(text)
    if match and _digits(text[: match.start()]):
        # "+1 800 FLOWERS" has letters too; an extension follows a run of digits and is followed
        # by digits alone.
        rest = text[match.end() :]
        if not any(c.isalpha() for c in rest):
            raise InvalidNumber(
                "use_dtmf_field",
                "Extensions and digits to send after the answer do not belong in the number.",
                field=field,
            )
    if any(c.isalpha() for c in text):
        raise InvalidNumber(
            "letters_not_allowed", "Write the phone number in digits, without letters.", field=field
        )


def _digits(text: str) -> bool:
    return sum(c.isdecimal() for c in text) >= 7


def _national_plan(compact: str, field: str) -> str:
    if not compact.startswith("+"):
        raise InvalidNumber(
            "not_e164",
            "Write the number in E.164 form: a plus, the country code and the number.",
            field=field,
        )
    digits = compact[1:]
    if not digits.isdecimal():
        raise InvalidNumber("invalid_number", "This is not a phone number.", field=field)
    if digits.startswith("0"):
        raise InvalidNumber(
            "not_e164",
            "After the plus comes a country code, which never starts with 0.",
            field=field,
        )
    if len(digits) > 15:
        raise InvalidNumber("invalid_number", "E.164 has at most 15 digits.", field=field)
    try:
        line = _line(compact)
    except phonenumbers.NumberParseException as error:
        raise InvalidNumber(
            "invalid_number", "No country's numbering plan has this number.", field=field
        ) from error
    formatted = phonenumbers.format_number(line.number, phonenumbers.PhoneNumberFormat.E164)
    if line.type == phonenumbers.PhoneNumberType.UNKNOWN or formatted != compact:
        raise InvalidNumber(
            "invalid_number", "No country's numbering plan has this number.", field=field
        )
    return formatted
