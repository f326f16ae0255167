"""What carriers say besides the SIP code."""

from __future__ import annotations

import pytest

from telephony.carrier_signs import Sign, sign


@pytest.mark.parametrize(
    ("code", "words", "means"),
    [
        (503, "CPS limit exceeded", Sign.FEWER),
        (503, "Concurrent call limit exceeded", Sign.FEWER),
        (503, "Too Many Calls Per Second", Sign.FEWER),
        (503, "Service Unavailable", None),
        (403, "Channel limit exceeded", Sign.FEWER),
        (403, "Forbidden", None),
        (486, "Too many calls per second", None),
        (603, "32203 Call blocked as potential fraud", Sign.BLOCKED),
        (603, "carrier blocked call (twilio error 32203): Decline", Sign.BLOCKED),
        (603, "Decline", None),
        (603, "Decline 132203", None),
        (607, "Unwanted", Sign.BLOCKED),
        (608, "Rejected", Sign.BLOCKED),
        (404, "32203", None),
        (503, None, None),
        (None, "CPS limit exceeded", None),
    ],
)
def test_a_sign_is_read_from_the_code_and_the_words(
    code: int | None, words: str | None, means: Sign | None
) -> None:
    assert sign(code, words) is means
