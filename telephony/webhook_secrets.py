"""The secret that signs what a webhook is asked: how it is written, and which are long enough.

Source: Standard Webhooks 1.0 (https://www.standardwebhooks.com).
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

#: Units: bytes, of the key and not of its base64.
SHORTEST: Final = 24
_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """Give the key that a secret stands for: ``whsec_`` and base64, or any text as it is.

    Errors: ValueError.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret[len(_PREFIX) :], validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def long_enough(secret: str) -> bool:
    """Tell whether a secret signs at all, and cannot be guessed."""
    try:
        return len(key_of(secret)) >= SHORTEST
    except ValueError:
        return False
