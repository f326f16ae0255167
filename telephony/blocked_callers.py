"""Whom a number does not take calls from, as it is written: a number, its beginning, or nobody."""

from __future__ import annotations

import re
from typing import Final

from telephony.numbers import E164

#: In a list of blocked callers: whoever does not show a number.
ANONYMOUS: Final = "anonymous"
_BEGINNING: Final = re.compile(r"\+[1-9][0-9]{0,13}\*\Z")


def read(written: str) -> str:
    """Check who is blocked, and give it in one form: E.164, ``+1900*`` or ``anonymous``.

    Errors: InvalidNumber.
    """
    if written == ANONYMOUS or _BEGINNING.match(written):
        return written
    return str(E164.parse(written, field="blocked_callers"))
