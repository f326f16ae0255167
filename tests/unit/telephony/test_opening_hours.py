"""When somebody answers, by the clock on the wall of one place."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from telephony.opening_hours import DAYS, Hours, Span

NEW_YORK = ZoneInfo("America/New_York")
_DAY = 24 * 60


def office(**more: object) -> Hours:
    week = {"mon": ["13:00-17:00", "09:00-12:00"], "fri": ["22:00-02:00"], "sat": ["12:00-24:00"]}
    holidays = ["2026-12-28"]
    return Hours.model_validate(
        {"time_zone": "America/New_York", "weekly": week, "holidays": holidays, **more}
    )


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-16T08:59", False),
        ("2026-11-16T09:00", True),
        ("2026-11-16T12:00", False),
        ("2026-11-16T13:00", True),
        ("2026-11-16T16:59:59", True),
        ("2026-11-16T17:00", False),
        ("2026-11-17T10:00", False),
        # A night that goes on into Saturday, and no further.
        ("2026-11-20T21:59", False),
        ("2026-11-20T23:30", True),
        ("2026-11-21T01:59", True),
        ("2026-11-21T02:00", False),
        # An evening to its end.
        ("2026-11-21T23:59", True),
        ("2026-11-22T00:00", False),
        # A Monday that is a holiday.
        ("2026-12-28T10:00", False),
        # Summer time: the clock on the wall counts.
        ("2026-07-13T09:00", True),
        ("2026-07-13T08:59", False),
    ],
)
def test_an_office_is_open_by_the_clock_on_its_own_wall(moment: str, is_open: bool) -> None:
    here = datetime.fromisoformat(moment).replace(tzinfo=NEW_YORK)
    assert office().is_open(here) is is_open
    assert office().is_open(here.astimezone(UTC)) is is_open


def test_the_night_before_a_holiday_goes_on_and_the_holidays_own_does_not() -> None:
    def at_one_in_the_night(holiday: str) -> bool:
        one = datetime(2026, 11, 21, 1, tzinfo=NEW_YORK)
        return office(holidays=[holiday]).is_open(one)

    assert at_one_in_the_night("2026-11-21"), "Friday's night is Friday's"
    assert not at_one_in_the_night("2026-11-20")


def test_in_the_night_in_which_summer_time_begins_an_hour_is_missing_and_nothing_else() -> None:
    # 08 March 2026, a Sunday: after 01:59 comes 03:00.
    night = office(weekly={"sat": ["22:00-04:00"], "sun": ["02:15-02:45"]})
    begins = datetime(2026, 3, 8, 3, 0, tzinfo=UTC)  # 22:00 on Saturday
    hours_open = [night.is_open(begins + timedelta(minutes=n)) for n in range(-30, 6 * 60)]
    assert hours_open == [False] * 30 + [True] * 5 * 60 + [False] * 60
    only_then = office(weekly={"sun": ["02:15-02:45"]})
    assert not any(only_then.is_open(begins + timedelta(minutes=n)) for n in range(_DAY))


def test_in_the_night_in_which_it_ends_an_hour_is_open_twice_or_never() -> None:
    # 01 November 2026, a Sunday: after 01:59 comes 01:00 again.
    half_past = office(weekly={"sun": ["01:30-01:45"]})
    begins = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)  # midnight
    minutes = [n for n in range(4 * 60) if half_past.is_open(begins + timedelta(minutes=n))]
    assert minutes == [*range(90, 105), *range(150, 165)]


#: Places with odd clocks: half and three quarters of an hour, changes at midnight, on Lord Howe by
#: half an hour, in Morocco around Ramadan, and an island that left out a whole day.
ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Santiago",
    "Asia/Beirut",
    "Pacific/Apia",
    "Pacific/Chatham",
)
minutes = st.integers(0, _DAY - 1)


@st.composite
def spans(draw: st.DrawFn) -> str:
    opens = draw(minutes)
    closes = draw(st.integers(0, _DAY).filter(lambda minute: minute != opens))
    return f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}"


dates = st.dates(date(2011, 1, 2), date(2037, 12, 30))
weeks = st.fixed_dictionaries({}, optional={day: st.lists(spans(), max_size=3) for day in DAYS})
moments = st.datetimes(datetime(2011, 1, 2), datetime(2037, 12, 30), timezones=st.just(UTC))


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, datetime]:
    """Draw a place and a moment near the next change of its clock, or any where it has none."""
    zone, moment = draw(st.sampled_from(ZONES)), draw(moments)
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    for days in range(1, 220):
        later = moment + timedelta(days=days)
        if later.astimezone(ZoneInfo(zone)).utcoffset() != offset:
            moment = later - timedelta(minutes=draw(st.integers(-180, _DAY + 180)))
            break
    return zone, moment


def on_the_wall(week: dict[str, list[str]], holidays: list[date], shown: datetime) -> bool:
    """Say whether it is open when the wall's clock shows this, counted minute by minute."""
    for back in (0, 1):
        day = shown.date() - timedelta(days=back)
        for span in week.get(DAYS[day.weekday()], []) if day not in holidays else []:
            opens, closes = (int(part[:2]) * 60 + int(part[3:]) for part in span.split("-"))
            lasts = (closes - opens) % _DAY or _DAY
            midnight = datetime.combine(day, time())
            if 0 <= (shown - midnight) // timedelta(minutes=1) - opens < lasts:
                return True
    return False


@given(changes(), weeks, st.lists(st.integers(-2, 2), max_size=2))
def test_what_the_wall_shows_decides_in_every_zone_and_at_every_change(
    change: tuple[str, datetime], week: dict[str, list[str]], around: list[int]
) -> None:
    zone, moment = change
    shown = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    holidays = [shown.date() + timedelta(days=days) for days in around]
    hours = Hours.model_validate({"time_zone": zone, "weekly": week, "holidays": holidays})
    assert hours.is_open(moment) is on_the_wall(week, holidays, shown)
    for other in ZONES:
        assert hours.is_open(moment.astimezone(ZoneInfo(other))) is hours.is_open(moment)


@given(changes())
def test_always_is_always_and_never_is_never(change: tuple[str, datetime]) -> None:
    zone, moment = change
    whole = {day: ["00:00-24:00"] for day in DAYS}
    assert Hours.model_validate({"time_zone": zone, "weekly": whole}).is_open(moment)
    nights = {day: ["12:00-12:01", "12:01-12:00"] for day in DAYS}
    assert Hours.model_validate({"time_zone": zone, "weekly": nights}).is_open(moment)
    assert not Hours.model_validate({"time_zone": zone, "weekly": {}}).is_open(moment)


@given(dates, minutes, weeks)
def test_a_week_without_a_change_is_open_as_long_as_its_spans_are(
    day: date, minute: int, week: dict[str, list[str]]
) -> None:
    hours = Hours.model_validate({"time_zone": "UTC", "weekly": week})
    if hours.overlap() is not None:
        return
    start = datetime.combine(day, time(minute // 60, minute % 60), UTC)
    # Edges are all at whole minutes: the middle of each minute tells of all of it.
    count = sum(hours.is_open(start + timedelta(minutes=n, seconds=30)) for n in range(7 * _DAY))
    assert count == sum(span.closes - span.opens for d in DAYS for span in hours.weekly.on(d))


@given(weeks, st.sampled_from(ZONES), st.lists(dates, max_size=3))
def test_what_is_kept_is_read_again_as_it_was(
    week: dict[str, list[str]], zone: str, holidays: list[date]
) -> None:
    hours = Hours.model_validate({"time_zone": zone, "weekly": week, "holidays": holidays})
    assert Hours.model_validate_json(hours.model_dump_json()) == hours
    assert Hours.model_validate(hours.model_dump(mode="json")) == hours


@pytest.mark.parametrize(
    ("week", "day"),
    [
        ({"mon": ["09:00-12:00", "11:59-13:00"]}, "mon"),
        ({"mon": ["22:00-02:00"], "tue": ["01:00-03:00"]}, "tue"),
        ({"sun": ["22:00-02:00"], "mon": ["01:00-03:00"]}, "mon"),
        ({"mon": ["09:00-12:00", "12:00-13:00"], "sun": ["23:00-00:00"]}, None),
        ({"mon": ["00:00-24:00"], "sun": ["00:00-24:00"]}, None),
        ({"wed": ["09:00-08:00"]}, None),
        ({}, None),
    ],
)
def test_spans_that_overlap_are_found_through_the_whole_week(
    week: dict[str, list[str]], day: str | None
) -> None:
    assert office(weekly=week).overlap() == day


@pytest.mark.parametrize("text", ["09:00-17:00", "00:00-24:00", "22:00-02:00", "23:59-00:01"])
def test_a_span_is_written_as_it_was_read(text: str) -> None:
    assert str(Span.parse(text)) == text


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus", "weekly": {}},
        {"time_zone": "../etc/passwd", "weekly": {}},
        {"time_zone": "", "weekly": {}},
        {"time_zone": "UTC", "weekly": {"monday": []}},
        {"time_zone": "UTC", "weekly": {"mon": ["9-17"]}},
        {"time_zone": "UTC", "weekly": {"mon": ["09:00-24:30"]}},
        {"time_zone": "UTC", "weekly": {"mon": ["24:00-24:00"]}},
        {"time_zone": "UTC", "weekly": {"mon": ["09:60-10:00"]}},
        {"time_zone": "UTC", "weekly": {"mon": ["09:00-09:00"]}},
        {"time_zone": "UTC", "weekly": {"mon": ["\u0660\u0669:00-17:00"]}},
        {"time_zone": "UTC", "weekly": {"mon": [900]}},
        {"time_zone": "UTC", "weekly": {}, "holidays": ["2026-02-30"]},
        {"weekly": {}},
    ],
)
def test_hours_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Hours.model_validate(wrong)


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("New York", "Did you mean America/New_York?"),
        ("America/New_Yrok", "Did you mean America/New_York?"),
        ("??", "Write it as America/New_York."),
    ],
)
def test_a_time_zone_that_is_none_is_told_with_what_was_probably_meant(
    zone: str, said: str
) -> None:
    with pytest.raises(ValidationError, match=said.replace("?", r"\?")):
        Hours.model_validate({"time_zone": zone, "weekly": {}})
