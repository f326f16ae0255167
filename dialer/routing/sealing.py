"""Keep the trunks' passwords sealed in the database: a copy of it opens no trunk.

The key comes from SECRETS_KEY, or from TOKEN_SECRET where none is set. Of several keys the first
one seals and each of them opens, so that a key can be replaced while the dialer runs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

#: Keys that are used for something else, too, must not give the same bytes here.
_PURPOSE = b"telephony: passwords of trunks, 1"


class Unsealable(Exception):
    """What is stored was sealed with a key that is not known here, or was changed."""


class Sealing:
    """Seals and opens with the secrets that it was given, the first of them first."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def seal(self, plain: str) -> str:
        """Seal a text; nothing stays nothing."""
        return self._fernet().encrypt(plain.encode()).decode("ascii") if plain else ""

    def open(self, sealed: str) -> str:
        """Give the text that was sealed.

        Errors: Unsealable.
        """
        if not sealed:
            return ""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet().decrypt(sealed.encode("ascii")).decode()
        except (InvalidToken, ValueError) as error:
            raise Unsealable from error

    def _fernet(self) -> MultiFernet:
        # Loaded with the first password there is: a dialer without any starts without it.
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(_key(secret)) for secret in self._secrets])


def _key(secret: str) -> bytes:
    # The secret is long and random: nothing needs to be stretched.
    derived = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(derived)
