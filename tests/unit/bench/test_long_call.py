"""What is told of the call that lasts as long as the soak."""

from __future__ import annotations

from typing import Any

from bench import long_call, soak_report
from bench.models import ALL_DELAYS

NOON = 1_800_000_000.0


def message(direction: str, method: str, cseq: int, status: int = 0) -> dict[str, Any]:
    return {"direction": direction, "method": method, "cseq": f"{cseq} INVITE", "status": status}


def record(**changes: Any) -> dict[str, Any]:
    """Make a record of the carrier's of a call with two refreshes, the second without an answer."""
    media = {
        "first_audible_at": "2027-01-15T08:00:01Z",
        "replies": [
            {"spoke_until": "2027-01-15T08:00:04Z", "heard_at": "2027-01-15T08:00:05.25Z"},
            {"spoke_until": "2027-01-15T08:30:04Z", "heard_at": "2027-01-15T08:30:06Z"},
        ],
        "packets_lost": 2,
        "dropouts": 1,
        "packets_audible": 2997,
        "longest_gap_ms": 40.0,
    }
    return {
        "id": "call-1",
        "state": "answered",
        "started_at": "2027-01-15T07:59:59Z",
        "answered_at": "2027-01-15T08:00:00Z",
        "rtp": media,
        "messages": [
            message("rx", "INVITE", 1),
            message("tx", "", 1, 200),
            message("tx", "INVITE", 7),
            message("rx", "", 7, 200),
            message("tx", "INVITE", 8),
            message("tx", "INVITE", 8),
            message("rx", "", 8, 481),
        ],
    } | changes


def test_refreshes_are_counted_once_and_so_are_their_answers() -> None:
    seen = long_call.seen(record(), NOON + 2100)
    assert (seen["refreshes"], seen["answered"]) == (2, 1)
    assert (seen["lived"], seen["seconds"]) == (True, 2100)
    assert (seen["lost"], seen["audible"]) == (3, 2997)
    assert [round(took) for _, took in seen["replies"]] == [
        round(1000 * (1.25 - ALL_DELAYS)),
        round(1000 * (2 - ALL_DELAYS)),
    ]


def test_a_call_that_is_over_did_not_live() -> None:
    assert not long_call.seen(record(state="ended"), NOON)["lived"]


def test_the_table_has_its_first_replies_beside_its_last() -> None:
    told = soak_report.long_call_table(long_call.seen(record(), NOON + 2100), span=5)
    first, last = (f"{1000 * (took - ALL_DELAYS):,.0f}" for took in (1.25, 2))
    cells = [cell.strip() for cell in told.splitlines()[-1].strip("|").split("|")]
    assert cells == [
        "35.0 minutes",
        "yes",
        "1 of 2",
        f"{first} / {first} ms",
        f"{last} / {last} ms",
        "0.100%",
    ]


def test_a_call_on_which_nobody_spoke_is_told_as_such() -> None:
    told = soak_report.long_call_table({"replies": []}, span=5)
    assert "never talked on" in told
