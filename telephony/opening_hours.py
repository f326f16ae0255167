"""Opening hours: a week and its holidays, by the clock on the wall of one time zone.

What counts is what that clock shows. So an hour that it shows twice, when summer time ends, is open
both times or neither, and nobody waits for one that it leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from itertools import pairwise
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)\Z", re.A)
_DAY: Final = 24 * 60
_WEEK: Final = 7 * _DAY


class WrongHours(ValueError):
    """Something that is written about hours means nothing.

    Shape: ``code`` is ``not_a_span`` or ``not_a_time_zone``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time that begins on one day.

    Units: minutes after the day's midnight; ``closes`` is the first that is closed, and lies in the
    day after where it is more than a day's.
    """

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: Any) -> Span:
        """Read ``09:00-17:00``; what closes before it opens closes on the day after.

        Errors: WrongHours.
        """
        if isinstance(text, Span):
            return text
        match = _SPAN.match(text) if isinstance(text, str) else None
        if match is None:
            raise WrongHours("not_a_span", "Write opening hours as 09:00-17:00.")
        opens = int(match[1]) * 60 + int(match[2])
        closes = int(match[3]) * 60 + int(match[4]) if match[3] else _DAY
        if closes == opens:
            raise WrongHours("not_a_span", "It closes as it opens: a whole day is 00:00-24:00.")
        return cls(opens, closes if closes > opens else closes + _DAY)

    def __str__(self) -> str:
        until = self.closes if self.closes <= _DAY else self.closes - _DAY
        return f"{_clock(self.opens)}-{_clock(until)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        said = f"There is no such time zone. {_meant(name)}"
        raise WrongHours("not_a_time_zone", said) from None
    return name


def _meant(name: str) -> str:
    zones = sorted(available_timezones())
    city = name.rpartition("/")[2].replace(" ", "_").lower()
    same_city = [zone for zone in zones if zone.rpartition("/")[2].lower() == city]
    close = same_city or get_close_matches(name[:64], zones, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else "Write it as America/New_York."


def _in_order(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    return tuple(sorted(spans))


_OpenSpan = Annotated[
    Span,
    BeforeValidator(Span.parse),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["09:00-17:00"]}),
]
_Day = Annotated[tuple[_OpenSpan, ...], Field(max_length=48), AfterValidator(_in_order)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Weekly(_Part):
    """The spans of each day; a day that is not named is closed."""

    mon: _Day = ()
    tue: _Day = ()
    wed: _Day = ()
    thu: _Day = ()
    fri: _Day = ()
    sat: _Day = ()
    sun: _Day = ()

    def on(self, day: str) -> tuple[Span, ...]:
        """Give the spans that begin on a day, one of ``DAYS``."""
        return getattr(self, day)


class Hours(_Part):
    """When somebody answers."""

    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        description="Name of the IANA time zone that the hours are told in.",
        examples=["America/New_York"],
    )
    weekly: Weekly = Field(
        description="The spans of each day, from `mon` to `sun`. One that closes before it opens, "
        "as `22:00-02:00`, goes on into the next day; `24:00` is the end of a day."
    )
    holidays: tuple[date, ...] = Field(
        default=(),
        max_length=1000,
        description="Days that are closed whatever the week says, with what would go on from them "
        "into the day after.",
        examples=[["2026-12-25"]],
    )

    def is_open(self, moment: datetime) -> bool:
        """Tell whether somebody answers at an aware moment."""
        here = moment.astimezone(ZoneInfo(self.time_zone))
        today, minute = here.date(), here.hour * 60 + here.minute
        return any(span.opens <= minute < span.closes for span in self._of(today)) or any(
            minute < span.closes - _DAY for span in self._of(today - timedelta(days=1))
        )

    def _of(self, day: date) -> tuple[Span, ...]:
        return () if day in self.holidays else self.weekly.on(DAYS[day.weekday()])

    def overlap(self) -> str | None:
        """Name the first day with a span that begins before the one before it is over."""
        spans = sorted(self._through_the_week(), key=lambda placed: placed[:2])
        if not spans:
            return None
        # After Sunday night comes Monday.
        again = (spans[0][0] + _WEEK, spans[0][1] + _WEEK, spans[0][2])
        for (_, closes, _), (opens, _, day) in pairwise([*spans, again]):
            if opens < closes:
                return day
        return None

    def _through_the_week(self) -> Iterator[tuple[int, int, str]]:
        for number, day in enumerate(DAYS):
            for span in self.weekly.on(day):
                yield number * _DAY + span.opens, number * _DAY + span.closes, day
