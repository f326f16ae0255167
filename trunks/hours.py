"""Opening hours: a week and its holidays in one time zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from trunks.faults import closest
from trunks.words import Part

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SPAN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)\Z")
_MIDNIGHT = 24 * 60


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one day.

    Units: minutes after midnight; ``closes`` is the first that is closed.
    """

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: Any) -> Span:
        """Read ``09:00-17:00``. Errors: PydanticCustomError ``not_a_span``."""
        if isinstance(text, Span):
            return text
        match = _SPAN.match(text) if isinstance(text, str) else None
        if match is None:
            raise PydanticCustomError("not_a_span", "Write opening hours as 09:00-17:00.")
        opens = int(match[1]) * 60 + int(match[2])
        closes = int(match[3]) * 60 + int(match[4]) if match[3] else _MIDNIGHT
        if closes <= opens:
            raise PydanticCustomError(
                "not_a_span",
                "It closes before it opens: a night is two spans, until 24:00 and from 00:00.",
            )
        return cls(opens, closes)


def _apart(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    ordered = tuple(sorted(spans))
    if any(later.opens < earlier.closes for earlier, later in pairwise(ordered)):
        raise PydanticCustomError("hours_overlap", "Two spans of this day overlap.")
    return ordered


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError(
            "not_a_time_zone", "There is no such time zone. {hint}", {"hint": _meant(name)}
        ) from None
    return name


def _meant(name: str) -> str:
    zones = sorted(available_timezones())
    city = name.rpartition("/")[2].replace(" ", "_").lower()
    same_city = [zone for zone in zones if zone.rpartition("/")[2].lower() == city]
    hint = f"Did you mean {same_city[0]}?" if same_city else closest(name, zones)
    return hint if hint.startswith("Did") else "Write it as America/New_York."


_OpenSpan = Annotated[
    Span,
    BeforeValidator(Span.parse),
    WithJsonSchema({"type": "string", "examples": ["09:00-17:00"]}),
]
_Day = Annotated[tuple[_OpenSpan, ...], AfterValidator(_apart)]


class Weekly(Part):
    """The spans of each day; a day that is not named is closed."""

    mon: _Day = ()
    tue: _Day = ()
    wed: _Day = ()
    thu: _Day = ()
    fri: _Day = ()
    sat: _Day = ()
    sun: _Day = ()


class Hours(Part):
    """When somebody answers."""

    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        description="Name of the IANA time zone that the hours are told in.",
        examples=["America/New_York"],
    )
    weekly: Weekly = Field(description="The spans of each day, from `mon` to `sun`.")
    holidays: tuple[date, ...] = Field(
        default=(),
        description="Days that are closed whatever the week says.",
        examples=[["2026-12-25"]],
    )

    def open_at(self, moment: datetime) -> bool:
        """Tell whether an aware moment falls into the hours."""
        local = moment.astimezone(ZoneInfo(self.time_zone))
        if local.date() in self.holidays:
            return False
        spans: tuple[Span, ...] = getattr(self.weekly, DAYS[local.weekday()])
        minute = local.hour * 60 + local.minute
        return any(span.opens <= minute < span.closes for span in spans)
