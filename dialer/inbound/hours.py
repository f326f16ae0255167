"""Business hours: when a number's agent answers, in the time of its own place."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)\Z")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is no time zone, write one like America/New_York") from None
    return name


def _span(text: str) -> str:
    match = _SPAN.match(text)
    if match is None or (match[3] == "24" and match[4] != "00") or text[:5] == text[6:]:
        raise ValueError("is no span of a day, write one like 09:00-17:00")
    return text


class Hours(BaseModel):
    """When somebody is there.

    Shape: ``weekly`` gives the spans of each day; a day that is not named is closed. A span that
    ends before it begins goes on into the next day, and ``24:00`` is the end of a day.
    ``holidays`` are closed whole, with what would go on from them into the day after.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_zone: Annotated[str, AfterValidator(_zone)]
    weekly: dict[Day, list[Annotated[str, AfterValidator(_span)]]]
    holidays: list[date] = Field(default_factory=list[date], max_length=1000)

    def is_open(self, now: datetime) -> bool:
        """Tell whether somebody is there at this moment."""
        here = now.astimezone(ZoneInfo(self.time_zone))
        today, yesterday = here.date(), here.date() - timedelta(days=1)
        minute = here.hour * 60 + here.minute
        return any(begin <= minute < end for begin, end in self._spans(today)) or any(
            minute < end - _DAY for _, end in self._spans(yesterday)
        )

    def _spans(self, day: date) -> list[tuple[int, int]]:
        """Give a day's spans in minutes since its midnight; the end may be in the day after."""
        if day in self.holidays:
            return []
        names: Any = self.weekly
        return [_minutes(span) for span in names.get(_DAYS[day.weekday()], [])]


_DAY: Final = 24 * 60


def _minutes(span: str) -> tuple[int, int]:
    begin, _, end = span.partition("-")
    first = time.fromisoformat(begin)
    start = first.hour * 60 + first.minute
    hours, _, rest = end.partition(":")
    stop = int(hours) * 60 + int(rest)
    return start, stop if stop > start else stop + _DAY
