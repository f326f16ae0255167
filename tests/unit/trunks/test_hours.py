"""When somebody answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from trunks.hours import Hours


def office(**more: object) -> Hours:
    week = {"mon": ["13:00-17:00", "09:00-12:00"], "sat": ["00:00-24:00"]}
    return Hours.model_validate({"time_zone": "America/New_York", "weekly": week, **more})


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        # Mondays in winter: New York is five hours behind.
        (datetime(2026, 11, 23, 13, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 23, 14, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 23, 17, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 23, 18, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 23, 21, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 23, 22, 0, tzinfo=UTC), False),
        # A Monday in summer: four.
        (datetime(2026, 7, 6, 13, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 6, 12, 59, tzinfo=UTC), False),
        # A Saturday there is Sunday in UTC by the evening.
        (datetime(2026, 11, 22, 4, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 22, 5, 0, tzinfo=UTC), False),
    ],
)
def test_hours_are_told_in_their_own_time_zone(moment: datetime, is_open: bool) -> None:
    assert office().open_at(moment) is is_open


def test_a_holiday_is_closed_whatever_the_week_says() -> None:
    noon = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    assert office().open_at(noon)
    assert not office(holidays=["2026-11-23"]).open_at(noon)


@pytest.mark.parametrize(
    "span", ["9-17", "09:00-09:00", "22:00-06:00", "24:00-24:00", "09:60-10:00"]
)
def test_what_is_no_span_of_a_day_is_refused(span: str) -> None:
    with pytest.raises(ValidationError, match=r"09:00-17:00|a night is two spans"):
        office(weekly={"mon": [span]})
