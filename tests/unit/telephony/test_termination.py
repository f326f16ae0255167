"""Every way a call can end has one outcome, one reason, and where possible a Q.850 cause."""

from __future__ import annotations

import pytest

from telephony import termination
from telephony.call import CauseSource, EndedReason, Outcome


@pytest.mark.parametrize(
    ("code", "outcome", "reason", "cause"),
    [
        (302, "failed", "redirected", 23),
        (401, "failed", "trunk_auth", 21),
        (403, "failed", "forbidden", 21),
        (404, "invalid_number", "unallocated", 1),
        (407, "failed", "trunk_auth", 21),
        (408, "no_answer", "unavailable", 102),
        (415, "failed", "codec", 79),
        (480, "no_answer", "unavailable", 18),
        (484, "invalid_number", "incomplete", 28),
        (486, "busy", "busy", 17),
        (488, "failed", "codec", 31),
        (500, "failed", "carrier_error", 41),
        (502, "failed", "carrier_error", 38),
        (503, "failed", "carrier_unavailable", 41),
        (504, "failed", "carrier_error", 102),
        (600, "busy", "busy", 17),
        (603, "declined", "declined", 21),
        (604, "invalid_number", "unallocated", 1),
        (606, "failed", "codec", 31),
    ],
)
def test_a_sip_final_response_has_its_verdict(
    code: int, outcome: str, reason: str, cause: int
) -> None:
    found = termination.reason_for_sip(code)
    assert found == reason
    assert termination.outcome(found, answered=False) == outcome
    derived = termination.cause(found, sip_status_code=code)
    assert derived == termination.Cause(cause, CauseSource.DERIVED)


@pytest.mark.parametrize("code", [418, 499, 513, 699])
def test_an_unknown_code_is_the_carriers_error(code: int) -> None:
    assert termination.reason_for_sip(code) is EndedReason.CARRIER_ERROR


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("callee_hangup", "completed"),
        ("agent_hangup", "completed"),
        ("api_hangup", "completed"),
        ("silence", "completed"),
        ("max_duration", "completed"),
        ("media_timeout", "completed"),
        ("lost", "failed"),
        ("bridge_lost", "failed"),
        ("media_server_lost", "failed"),
        ("agent_error", "failed"),
    ],
)
def test_an_answered_call_has_its_outcome(reason: str, outcome: str) -> None:
    assert termination.outcome(EndedReason(reason), answered=True) == outcome


def test_a_hangup_before_the_answer_cancels_the_call() -> None:
    assert termination.outcome(EndedReason.API_HANGUP, answered=False) is Outcome.CANCELED


def test_a_call_without_any_media_has_failed() -> None:
    verdict = termination.outcome(EndedReason.MEDIA_TIMEOUT, answered=True, media_seen=False)
    assert verdict is Outcome.FAILED


def test_a_ring_that_nobody_answers_has_the_cause_of_no_answer() -> None:
    cause = termination.cause(EndedReason.RING_TIMEOUT, sip_status_code=None)
    assert cause == termination.Cause(19, CauseSource.DERIVED)


def test_a_signalled_cause_wins_over_a_derived_one() -> None:
    cause = termination.cause(EndedReason.BUSY, sip_status_code=486, signalled=21)
    assert cause == termination.Cause(21, CauseSource.SIGNALLED)


@pytest.mark.parametrize("reason", list(EndedReason))
def test_every_reason_has_an_outcome_and_somebody_who_ended_it(reason: EndedReason) -> None:
    assert reason in termination.OUTCOME
    assert reason in termination.ENDED_BY
    assert termination.cause(reason, sip_status_code=None) is not None
