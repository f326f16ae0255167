"""Every way a carrier can behave ends in its outcome, with one INVITE and nothing left behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.rooms_left import rooms_left
from tests.kit.until import until_sync


@dataclass(frozen=True, slots=True)
class Expected:
    """One row: the last four digits dialled, and how the call must end."""

    number: str
    behaviour: str
    outcome: str
    reason: str
    sip: int | None = None
    ring_timeout: int = 30

    def __str__(self) -> str:
        return self.behaviour


# The order is the order of placing: what takes longest goes first.
ROWS = [
    Expected("0114", "answers_without_any_rtp", "failed", "media_timeout"),
    Expected("0123", "rtp_stops_after_three_seconds", "completed", "media_timeout"),
    Expected("0117", "only_100_trying", "failed", "no_response", ring_timeout=6),
    Expected("0118", "no_reply_at_all", "failed", "no_response", ring_timeout=6),
    Expected("0103", "rings_and_nobody_answers", "no_answer", "ring_timeout", ring_timeout=6),
    Expected("0116", "answers_on_cancel", "no_answer", "ring_timeout", ring_timeout=6),
    Expected("0112", "hangs_up_after_a_second", "completed", "callee_hangup"),
    Expected("0131", "challenges_with_401", "completed", "callee_hangup"),
    Expected("0102", "busy", "busy", "busy", 486),
    Expected("0124", "busy_everywhere", "busy", "busy", 600),
    Expected("0104", "declined", "declined", "declined", 603),
    Expected("0105", "not_found", "invalid_number", "unallocated", 404),
    Expected("0125", "does_not_exist_anywhere", "invalid_number", "unallocated", 604),
    Expected("0107", "address_incomplete", "invalid_number", "incomplete", 484),
    Expected("0106", "temporarily_unavailable", "no_answer", "unavailable", 480),
    Expected("0126", "request_timeout", "no_answer", "unavailable", 408),
    Expected("0119", "forbidden", "failed", "forbidden", 403),
    Expected("0122", "challenges_again_and_again", "failed", "trunk_auth"),
    Expected("0121", "not_acceptable_here", "failed", "codec", 488),
    Expected("0136", "unsupported_media_type", "failed", "codec", 415),
    Expected("0137", "not_acceptable", "failed", "codec", 606),
    Expected("0120", "moved_temporarily", "failed", "redirected", 302),
    Expected("0109", "server_error", "failed", "carrier_error", 500),
    Expected("0128", "bad_gateway", "failed", "carrier_error", 502),
    Expected("0127", "server_timeout", "failed", "carrier_error", 504),
    Expected("0108", "service_unavailable", "failed", "carrier_unavailable", 503),
]


@dataclass(frozen=True, slots=True)
class Placed:
    """The calls of this module, all placed at once."""

    since: datetime
    ids: dict[str, str]


@pytest.fixture(scope="module")
def placed(gateway: Gateway) -> Placed:
    since = datetime.now(UTC)
    ids: dict[str, str] = {}
    for row in ROWS:
        call = gateway.place(f"+1415555{row.number}", ring_timeout_seconds=row.ring_timeout)
        ids[row.number] = call["id"]
    return Placed(since, ids)


@pytest.mark.fault("F19", "F21", "F22", "F23", "F24")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_call_ends_as_the_table_says(
    row: Expected,
    placed: Placed,
    gateway: Gateway,
    ledger: CarrierLedger,
    running: dict[str, Any],
) -> None:
    call = gateway.until_ended(placed.ids[row.number], timeout=180)
    found = (call["outcome"], call["ended_reason"], call["sip"]["status_code"])
    assert found == (row.outcome, row.reason, row.sip), gateway.events(call["id"])

    seen = ledger.only_call(f"+1415555{row.number}", since=placed.since)
    assert seen.invites == 1
    until_sync(lambda: not rooms_left(running, call["id"], gateway), 15, what="the room is gone")


def test_every_record_tells_when_and_by_whom(placed: Placed, gateway: Gateway) -> None:
    for row in ROWS:
        call = gateway.until_ended(placed.ids[row.number], timeout=180)
        times = call["timestamps"]
        steps = ("queued", "dispatching", "dialing", "ringing", "answered", "ended")
        known = [times[f"{step}_at"] for step in steps if times[f"{step}_at"]]
        assert known == sorted(known)
        assert times["ended_at"]
        assert call["ended_by"]
        assert call["hangup_cause_source"] in {"derived", "signalled"}
