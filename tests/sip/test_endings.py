"""Calls that end by themselves, and far ends that are unusual and fine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import until_heard
from tests.kit.until import until_sync


@dataclass(frozen=True)
class TooLong:
    """A call that goes on past its longest duration, since when."""

    since: datetime
    call_id: str


@pytest.fixture(scope="module", autouse=True)
def too_long(gateway: Gateway) -> TooLong:
    """Have it begin before the first test, and end while others run."""
    since = datetime.now(UTC)
    return TooLong(since, gateway.place("+14155550133", max_duration_seconds=15)["id"])


@pytest.mark.slow
def test_silence_on_both_sides_ends_the_call(gateway: Gateway, ledger: CarrierLedger) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550101", max_duration_seconds=120)
    ended = gateway.until_ended(call["id"], timeout=100)
    assert (ended["outcome"], ended["ended_reason"], ended["ended_by"]) == (
        "completed",
        "silence",
        "agent",
    )
    # It asked whether somebody is there before it gave up, and then said goodbye.
    assert len(gateway.turns(call["id"])) >= 3
    assert ledger.only_call("+14155550101", since=since).received("BYE")


def test_early_media_is_not_an_answer(gateway: Gateway, ledger: CarrierLedger) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550111")
    gateway.until_status(call["id"], "ringing")
    gateway.until_status(call["id"], "in_progress")
    until_heard(ledger, "+14155550111", since)
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"])["outcome"] == "completed"
    seen = ledger.only_call("+14155550111", since=since)
    audible = seen.rtp["first_audible_at"]
    assert audible and datetime.fromisoformat(audible) > (seen.at("answered_at") or datetime.max)


@pytest.mark.fault("F28")
@pytest.mark.parametrize("number", ["+14155550129", "+14155550132"], ids=["pcma_only", "hold"])
def test_an_unusual_far_end_hears_the_greeting(
    number: str, gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    call = gateway.place(number)
    gateway.until_status(call["id"], "in_progress")
    until_heard(ledger, number, since)
    gateway.hang_up(call["id"])
    ended = gateway.until_ended(call["id"])
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "api_hangup")


@pytest.mark.fault("F28")
@pytest.mark.parametrize(
    "number",
    [
        pytest.param("+14155550138", id="refresh", marks=pytest.mark.slow),
        pytest.param("+14155550139", id="another_port", marks=pytest.mark.slow),
    ],
)
def test_a_session_that_is_offered_again_goes_on_both_ways(
    number: str, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F28: the callee is understood, and hears the answer, after it; UPDATE harms none."""
    since = datetime.now(UTC)
    call = gateway.place(number)

    def said(speaker: str) -> int:
        return [turn["speaker"] for turn in gateway.turns(call["id"])].count(speaker)

    until_sync(lambda: said("callee") >= 1 and said("agent") >= 2, 60, what="a reply to the callee")
    seen = ledger.only_call(number, since=since)
    (again,) = seen.asked("INVITE")
    assert seen.invites == 1
    # A port that was left hears nothing any more.
    heard = datetime.fromisoformat(seen.rtp["last_audible_at"])
    assert heard > datetime.fromisoformat(again["at"]) + timedelta(seconds=1)
    gateway.hang_up(call["id"])
    ended = gateway.until_ended(call["id"])
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "api_hangup")


@pytest.mark.fault("F25")
def test_a_lost_bye_leaves_nothing_open(gateway: Gateway) -> None:
    call = gateway.place("+14155550135")
    gateway.until_status(call["id"], "in_progress")
    gateway.hang_up(call["id"])
    assert gateway.until_ended(call["id"], timeout=30)["ended_reason"] == "api_hangup"


@pytest.mark.fault("F30")
def test_a_call_ends_at_its_longest_duration(
    too_long: TooLong, gateway: Gateway, ledger: CarrierLedger
) -> None:
    ended = gateway.until_ended(too_long.call_id, timeout=60)
    assert (ended["outcome"], ended["ended_reason"], ended["ended_by"]) == (
        "completed",
        "max_duration",
        "platform",
    )
    # The goodbye may end a little after the limit; the reaper's own limit is 10 s later.
    assert 10 <= ended["duration_seconds"] <= 25
    assert ledger.only_call("+14155550133", since=too_long.since).received("BYE")


def test_no_job_is_left_running(gateway: Gateway) -> None:
    """Ask the workers themselves, by way of their presence."""

    def busy() -> float:
        answer: httpx.Response = gateway.http.get("/metrics")
        answer.raise_for_status()
        found = [
            float(line.rsplit(" ", 1)[1])
            for line in answer.text.splitlines()
            if line.startswith("telephony_worker_live_calls")
        ]
        assert found, answer.text
        return sum(found)

    call = gateway.place("+14155550101")
    gateway.until_status(call["id"], "in_progress")
    until_sync(lambda: busy() >= 1, 10, what="the workers count the call")
    gateway.hang_up(call["id"])
    gateway.until_ended(call["id"])
    until_sync(lambda: busy() == 0, 30, what="no worker holds a job")
