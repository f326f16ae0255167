"""What Twilio refuses is told in words an operator can act on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from trunks.errors import CODES
from trunks.twilio_errors import BY_CODE, refusal, silence


def refused(status: int, code: int | None, **headers: str) -> tuple[str, bool, float | None]:
    """Translate an error document; give code, retryable and retry_after."""
    body = json.dumps({"code": code, "message": "It says so.", "status": status})
    error = refusal(status, body, headers, "list Trunks")
    assert error.fix
    assert error.message.startswith("Twilio refused to list Trunks: It says so")
    return error.code, error.retryable, error.retry_after


@pytest.mark.parametrize(
    ("status", "code", "ours", "retryable"),
    [
        (401, 20003, "credentials_refused", False),
        (403, 20003, "credentials_refused", False),
        (401, None, "credentials_refused", False),
        (403, 20006, "not_permitted", False),
        (403, None, "not_permitted", False),
        (403, 20005, "not_permitted", False),
        (400, 10002, "trial_account", False),
        (400, 21404, "trial_account", False),
        (404, 20404, "not_found", False),
        (409, None, "conflict", False),
        (400, 21248, "conflict", False),
        (400, 21247, "conflict", False),
        (400, 21244, "refused", False),
        (400, 21243, "refused", False),
        (400, 99999, "refused", False),
        (429, 20429, "rate_limited", True),
        (429, None, "rate_limited", True),
        (500, 20500, "carrier_error", True),
        (503, None, "carrier_error", True),
    ],
)
def test_each_refusal_has_a_code_of_ours(
    status: int, code: int | None, ours: str, retryable: bool
) -> None:
    assert refused(status, code)[:2] == (ours, retryable)


def test_every_code_is_one_of_the_closed_list() -> None:
    assert {meaning.code for meaning in BY_CODE.values()} <= set(CODES)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        ("Sat, 02 Jan 2027 03:04:15 GMT", 10.0),
        ("Sat, 02 Jan 2027 03:04:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_moment(header: str, seconds: float | None) -> None:
    now = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    error = refusal(429, "{}", {"retry-after": header}, "list Trunks", now=now)
    assert error.retry_after == seconds


@pytest.mark.parametrize("body", ["", "<html>Bad gateway</html>", "[]", '"text"', "null"])
def test_an_answer_that_is_no_error_document_is_told_all_the_same(body: str) -> None:
    error = refusal(502, body, {}, "list Trunks")
    assert (error.code, error.message) == (
        "carrier_error",
        "Twilio refused to list Trunks: HTTP status 502.",
    )


def test_a_problem_document_is_understood_too() -> None:
    body = json.dumps({"type": "x", "title": "Domain taken", "status": 400, "code": 21248})
    error = refusal(400, body, {}, "make or change Trunks")
    assert (error.code, "Domain taken (21248)" in error.message) == ("conflict", True)


@pytest.mark.parametrize("code", ["timeout", "unreachable"])
def test_silence_may_be_tried_again(code: str) -> None:
    error = silence(code, "list Trunks")
    assert (error.code, error.retryable) == (code, True)
    assert "list Trunks" in error.message
