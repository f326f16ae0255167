"""What carriers say besides the SIP code: that calls come too fast, or that one is blocked.

Source: Twilio answers above the calls per second of a trunk with 503 and words about CPS (its
errors 32001 and 32012), and blocks a call with 603 and ``X-Twilio-Error: 32203``; livekit-sip 1.8
(``pkg/sip/errors.go``) knows the words "cps limit exceeded" and "concurrent call limit exceeded".
Telnyx refuses above a connection's channels with 403. The same codes without such words are
refusals like others.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Sign(StrEnum):
    """What a refusal is about."""

    #: Calls come too fast, or are too many at once: this one is welcome later.
    FEWER = "fewer"
    #: The carrier never carries this call: it takes it for fraud, or a regulation forbids it.
    BLOCKED = "blocked"


_FEWER: Final = {
    403: re.compile(r"channel|concurren|too many|simultaneous", re.IGNORECASE),
    503: re.compile(
        r"\bcps\b|calls? per second|rate limit|too many|channel|concurren|simultaneous",
        re.IGNORECASE,
    ),
}
#: Twilio's number for it, at the beginning of its header or behind "error" in a bridge's words.
_BLOCKED: Final = re.compile(r"^\s*32203\b|\berror 32203\b", re.IGNORECASE)
_MAY_BLOCK: Final = frozenset({403, 603, 607, 608})


def sign(code: int | None, words: str | None) -> Sign | None:
    """Read a final response's reason phrase, or what the bridge gives instead of it."""
    if code is None:
        return None
    said = words or ""
    # 607 and 608 say nothing else (RFC 8197, RFC 8688).
    if code in {607, 608} or (code in _MAY_BLOCK and _BLOCKED.search(said)):
        return Sign.BLOCKED
    fewer = _FEWER.get(code)
    return Sign.FEWER if fewer is not None and fewer.search(said) else None
