"""What LiveKit says about an end, row by row of what it was seen to say."""

from __future__ import annotations

import pytest
from livekit import api, rtc

from agent.verdicts import (
    dial_failed,
    left_after_answer,
    lost_answer,
    no_bridge_took_it,
    refusal_lost,
    refused_by_trunk,
    room_gone,
)
from telephony.call import EndedReason
from telephony.worker_contract import ReturnReason

_R = EndedReason
_D = rtc.DisconnectReason


def sip_error(code: str, status: int | None, text: str | None = None) -> api.ServerError:
    """Make an error as the SDK raises it."""
    if status is None:
        return api.ServerError(code, text or "", status=500)
    metadata = {"sip_status_code": str(status), "sip_status": text or ""}
    return api.SipCallError(code, "INVITE failed", status=429, metadata=metadata)


@pytest.mark.parametrize(
    ("code", "status", "text", "reason"),
    [
        ("resource_exhausted", 486, "Busy Here", _R.BUSY),
        ("resource_exhausted", 600, "Busy Everywhere", _R.BUSY),
        ("resource_exhausted", 480, "Temporarily Unavailable", _R.UNAVAILABLE),
        ("not_found", 404, "Not Found", _R.UNALLOCATED),
        ("permission_denied", 403, "Forbidden", _R.FORBIDDEN),
        ("permission_denied", 603, "Decline", _R.DECLINED),
        ("invalid_argument", 484, "Address Incomplete", _R.INCOMPLETE),
        ("unavailable", 503, "Service Unavailable", _R.CARRIER_UNAVAILABLE),
        ("internal", 500, "Server Internal Error", _R.CARRIER_ERROR),
        ("failed_precondition", 488, "Not Acceptable Here", _R.CODEC),
        ("unauthenticated", 407, "Proxy Authentication Required", _R.TRUNK_AUTH),
    ],
)
def test_a_sip_response_decides_the_reason_and_is_kept(
    code: str, status: int, text: str, reason: EndedReason
) -> None:
    ending = dial_failed(sip_error(code, status, text), rang=False)
    assert (ending.reason, ending.sip_status_code, ending.sip_status) == (reason, status, text)


def test_a_redirection_is_read_from_the_text_it_arrives_in() -> None:
    error = sip_error("not_found", None, "unexpected status from INVITE: 302 Moved Temporarily")
    ending = dial_failed(error, rang=False)
    assert (ending.reason, ending.sip_status_code) == (_R.REDIRECTED, 302)
    assert ending.sip_status == "Moved Temporarily"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("failed_precondition", "no common encryption profiles"),
        ("internal", "tls: failed to verify certificate: x509: certificate has expired"),
        ("unknown", "x509: certificate signed by unknown authority"),
        ("unavailable", "tls: first record does not look like a TLS handshake"),
    ],
)
def test_encryption_that_fails_is_the_trunks_settings_and_not_the_carriers_fault(
    code: str, text: str
) -> None:
    ending = dial_failed(sip_error(code, None, text), rang=False)
    assert (ending.reason, ending.sip_status_code) == (_R.TRUNK_MISCONFIGURED, None)


def test_a_carrier_that_challenges_again_and_again_does_not_take_the_trunk() -> None:
    error = sip_error("failed_precondition", None, "max auth retry attempts reached for SIP invite")
    ending = dial_failed(error, rang=False)
    assert (ending.reason, ending.sip_status_code) == (_R.TRUNK_AUTH, None)


@pytest.mark.parametrize(
    ("code", "rang", "reason"),
    [
        ("canceled", True, _R.RING_TIMEOUT),
        ("canceled", False, _R.NO_RESPONSE),
        ("deadline_exceeded", False, _R.NO_RESPONSE),
        ("not_found", False, _R.TRUNK_MISCONFIGURED),
        ("invalid_argument", False, _R.TRUNK_MISCONFIGURED),
        ("unavailable", False, _R.BRIDGE_LOST),
        ("internal", False, _R.CARRIER_ERROR),
    ],
)
def test_without_a_sip_response_the_code_decides_and_no_status_is_guessed(
    code: str, rang: bool, reason: EndedReason
) -> None:
    ending = dial_failed(sip_error(code, None, "sip request timed out"), rang=rang)
    assert (ending.reason, ending.sip_status_code) == (reason, None)


@pytest.mark.parametrize(
    ("left", "phone", "reason"),
    [
        (_D.CLIENT_INITIATED, True, _R.CALLEE_HANGUP),
        (_D.PARTICIPANT_REMOVED, True, _R.API_HANGUP),
        (_D.ROOM_DELETED, True, _R.API_HANGUP),
        (_D.SERVER_SHUTDOWN, True, _R.MEDIA_SERVER_LOST),
        (_D.CONNECTION_TIMEOUT, True, _R.BRIDGE_LOST),
        (_D.SIGNAL_CLOSE, True, _R.BRIDGE_LOST),
        (None, True, _R.BRIDGE_LOST),
        (_D.SIGNAL_CLOSE, False, _R.CALLEE_HANGUP),
        (_D.CONNECTION_TIMEOUT, False, _R.CALLEE_HANGUP),
    ],
)
def test_who_leaves_an_answered_call_decides_its_reason(
    left: rtc.DisconnectReason.ValueType | None, phone: bool, reason: EndedReason
) -> None:
    assert left_after_answer(left, phone=phone).reason is reason


def test_a_deleted_room_is_a_hang_up_and_a_lost_connection_is_not() -> None:
    assert room_gone(_D.ROOM_DELETED).reason is _R.API_HANGUP
    assert room_gone(_D.CONNECTION_TIMEOUT).reason is _R.MEDIA_SERVER_LOST
    assert room_gone(None).reason is _R.MEDIA_SERVER_LOST


@pytest.mark.parametrize(("took", "lost"), [(0.05, True), (32.0, False)])
def test_a_transaction_that_fails_at_once_had_an_answer(took: float, lost: bool) -> None:
    text = "twirp error unknown: transaction failed to complete (0 intermediate responses)"
    error = api.ServerError(api.ServerErrorCode.CANCELED, text, status=408)
    assert lost_answer(error, took) is lost


@pytest.mark.parametrize(
    ("code", "took", "message", "lost"),
    [
        ("canceled", 0.05, "transaction failed to complete (0 intermediate responses)", True),
        (
            "canceled",
            0.49,
            "twirp error unknown: transaction failed to complete (0 intermediate responses)",
            True,
        ),
        # It may have rung, or the request went out twice, or nobody knows.
        ("canceled", 0.05, "transaction failed to complete (1 intermediate responses)", False),
        ("canceled", 0.5, "transaction failed to complete (0 intermediate responses)", False),
        ("canceled", 32.0, "transaction failed to complete (0 intermediate responses)", False),
        ("canceled", 0.05, "transaction failed to complete", False),
        ("canceled", 0.05, "service shutting down", False),
        ("unknown", 0.05, "transaction failed to complete (0 intermediate responses)", False),
    ],
)
def test_only_a_transaction_that_fails_at_once_and_unanswered_was_refused(
    code: str, took: float, message: str, lost: bool
) -> None:
    assert refusal_lost(api.ServerError(code, message, status=408), took) is lost


@pytest.mark.fault("F5", "F6")
@pytest.mark.parametrize(
    ("code", "message", "nobody"),
    [
        ("unavailable", "twirp error unknown: no response from servers", True),
        ("unavailable", "no response from servers", True),
        ("unavailable", "twirp error unknown: cpu exhausted", True),
        ("unavailable", "no servers available (received 2 responses)", True),
        ("unavailable", "twirp error unknown: update room: no response from servers", False),
        ("unavailable", "no response from servers: 180 Ringing", False),
        ("internal", "no response from servers", False),
        ("deadline_exceeded", "no response from servers", False),
        ("unavailable", "", False),
        ("unavailable", "the bridge is gone", False),
    ],
)
def test_only_livekits_own_words_say_that_no_bridge_took_a_call(
    code: str, message: str, nobody: bool
) -> None:
    assert no_bridge_took_it(api.ServerError(code, message, status=503)) is nobody


@pytest.mark.parametrize(
    ("code", "message", "why"),
    [
        (
            "invalid_argument",
            "twirp error unknown: lookup sip.example.invalid on 127.0.0.53:53: no such host",
            ReturnReason.TRUNK_UNAVAILABLE,
        ),
        (
            "failed_precondition",
            "dial tcp 203.0.113.7:5061: connect: connection refused",
            ReturnReason.TRUNK_UNAVAILABLE,
        ),
        (
            "failed_precondition",
            "max auth retry attempts reached for SIP invite",
            ReturnReason.TRUNK_AUTH,
        ),
        (
            "internal",
            "x509: certificate signed by unknown authority",
            ReturnReason.TRUNK_UNAVAILABLE,
        ),
        # The phone had answered.
        ("failed_precondition", "no common encryption profiles", None),
        ("canceled", "sip request timed out", None),
        ("failed_precondition", "something else went wrong", None),
        ("canceled", "transaction failed to complete (0 intermediate responses)", None),
    ],
)
def test_without_a_sip_response_only_what_never_left_or_got_in_goes_to_another_trunk(
    code: str, message: str, why: ReturnReason | None
) -> None:
    error = sip_error(code, None, message)
    assert refused_by_trunk(error, dial_failed(error, rang=False), 0.2) is why


def test_a_refusal_that_took_its_time_may_be_the_word_of_somebody_behind_the_carrier() -> None:
    error = sip_error("unavailable", 503, "Service Unavailable")
    ending = dial_failed(error, rang=False)
    assert refused_by_trunk(error, ending, 4.0) is ReturnReason.TRUNK_UNAVAILABLE
    assert refused_by_trunk(error, ending, 6.0) is None


def test_a_call_that_the_carrier_blocks_was_not_declined_by_the_callee() -> None:
    error = sip_error("permission_denied", 603, "32203 Call blocked as potential fraud")
    ending = dial_failed(error, rang=False)
    assert (ending.reason, ending.sip_status_code) == (_R.FORBIDDEN, 603)
    assert refused_by_trunk(error, ending, 0.2) is None
