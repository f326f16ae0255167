"""What LiveKit says of a bridge that is asked after a phone."""

from __future__ import annotations

import pytest

from telephony.bridge_hold import Hold, told_by

_SAID = "twirp error unknown: "


@pytest.mark.parametrize(
    ("code", "message", "hold"),
    [
        ("invalid_argument", "RpcError 1400: Method not supported at destination", Hold.THERE),
        ("internal", "stream closed", Hold.LET_GO),
        ("internal", "io: read/write on closed pipe", Hold.LET_GO),
        ("canceled", "RpcError 1501: Connection timeout", Hold.NO_ANSWER),
        ("canceled", "RpcError 1502: Response timeout", Hold.NO_ANSWER),
        ("not_found", "participant does not exist", Hold.UNKNOWN),
        ("unavailable", "no response from servers", Hold.UNKNOWN),
        ("internal", "data channel is not available", Hold.UNKNOWN),
        ("unknown", "stream closed", Hold.UNKNOWN),
    ],
)
def test_only_what_is_known_of_a_bridge_is_taken_for_it(
    code: str, message: str, hold: Hold
) -> None:
    assert told_by(code, _SAID + message) is hold
