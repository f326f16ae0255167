"""When a number's agent answers, and when a line is said instead."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from dialer.inbound.admit import CLOSED_MESSAGE, Admitted, admit
from dialer.inbound.numbers import InboundNumber, described, read_called, read_caller
from telephony.errors import InvalidNumber, Refused
from telephony.numbers import E164
from telephony.opening_hours import Hours
from telephony.worker_contract import InboundRefused

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = Hours.model_validate(
    {
        "time_zone": "America/New_York",
        "weekly": {"mon": ["09:00-12:00", "13:00-17:00"], "fri": ["22:00-02:00"]},
        "holidays": ["2026-12-28"],
    }
)
CALLER = E164.parse("+14155550150")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus", "weekly": {}},
        {"time_zone": "../etc/passwd", "weekly": {}},
        {"time_zone": "UTC", "weekly": {"monday": []}},
        {"time_zone": "UTC", "weekly": {"mon": ["9-17"]}},
        {"time_zone": "UTC", "weekly": {"mon": ["09:00-24:30"]}},
        {"time_zone": "UTC", "weekly": {"mon": ["09:00-09:00"]}},
        {"time_zone": "UTC", "weekly": {}, "holidays": ["2026-02-30"]},
        {"weekly": {}},
    ],
)
def test_hours_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Refused):
        described("+14155550190", agent="default", hours=wrong)


def number(**fields: object) -> InboundNumber:
    return described("+14155550190", agent="default", **fields)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("nobodys", [None, number(enabled=False)])
def test_a_number_that_nobody_answers_is_unknown(nobodys: InboundNumber | None) -> None:
    verdict = admit(nobodys, CALLER, now=at("2026-11-16T10:00"))
    assert verdict is InboundRefused.UNKNOWN_NUMBER


@pytest.mark.parametrize(
    ("blocked", "caller", "refused"),
    [
        ("+14155550150", CALLER, True),
        ("+14155550151", CALLER, False),
        ("+1415*", CALLER, True),
        ("+1416*", CALLER, False),
        ("anonymous", CALLER, False),
        ("anonymous", None, True),
        ("+1415*", None, False),
    ],
)
def test_a_caller_is_blocked_by_number_beginning_or_silence(
    blocked: str, caller: E164 | None, refused: bool
) -> None:
    verdict = admit(number(blocked_callers=(blocked,)), caller, now=at("2026-11-16T10:00"))
    assert verdict == (InboundRefused.BLOCKED if refused else Admitted())


@pytest.mark.parametrize("told", ["1001", "unknown", "+19990000000", "4155550150"])
@pytest.mark.parametrize(
    ("blocked", "refused"), [("anonymous", True), ("+1999*", False), ("+1415*", False)]
)
def test_what_is_no_number_of_the_plans_is_anonymous(
    told: str, blocked: str, refused: bool
) -> None:
    wanted = number(blocked_callers=(blocked,))
    verdict = admit(wanted, read_caller(told), now=at("2026-11-16T10:00"))
    assert verdict == (InboundRefused.BLOCKED if refused else Admitted())


def test_outside_its_hours_a_number_says_so() -> None:
    closed = at("2026-11-17T10:00")
    hours = OFFICE.model_dump(mode="json")
    assert admit(number(hours=hours), CALLER, now=closed) == Admitted(CLOSED_MESSAGE)
    own = number(hours=hours, closed_message="We are away.")
    assert admit(own, CALLER, now=closed) == Admitted("We are away.")
    assert admit(own, CALLER, now=at("2026-11-16T10:00")) == Admitted()


@pytest.mark.parametrize("told", ["+14155550190", "14155550190", "+1 (415) 555-0190"])
def test_the_called_number_is_read_as_carriers_write_it(told: str) -> None:
    assert read_called(told) == E164.parse("+14155550190")


@pytest.mark.parametrize("told", [None, "", "anonymous", "Restricted", "+999", "x" * 64])
def test_a_caller_without_a_number_has_none(told: str | None) -> None:
    assert read_caller(told) is None


@pytest.mark.parametrize("wrong", ["+1*900", "*", "nobody", "+*"])
def test_a_blocked_caller_that_means_nobody_is_refused(wrong: str) -> None:
    with pytest.raises((InvalidNumber, Refused)):
        number(blocked_callers=(wrong,))


def test_numbers_are_not_shown_in_a_repr() -> None:
    shown = repr(number(blocked_callers=("+1900*",)))
    assert "4155550190" not in shown and "1900" not in shown
