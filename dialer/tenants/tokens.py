"""The signed tokens that the dialer gives out, one audience for each purpose.

A token opens what it names and nothing else: an attempt's own internal routes, one worker's
presence, the page's session, one sign-in. API keys are not tokens; see ``tenants/keys.py``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from telephony.errors import Unauthorized

#: Name of the page's cookie.
SESSION_COOKIE = "telephony_session"

#: Longer than the longest call with all its waiting and its spool's replay.
ATTEMPT_LIFE = timedelta(hours=48)
WORKER_LIFE = timedelta(days=3650)
SESSION_LIFE = timedelta(hours=12)
LINK_LIFE = timedelta(hours=12)


#: PyJWT is typed in parts only.
_JWT: Any = jwt


@dataclass(frozen=True, slots=True)
class AttemptGrant:
    """What an attempt's token allows; ``fence`` is that of the claim it was made for."""

    attempt_id: str
    tenant_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Link:
    """A sign-in link: ``id`` is spent at its first use (see ``tenants/sessions.py``)."""

    id: str
    tenant_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A page's session: it ends with the key that signed in, None for a link, or when it is spent.

    Shape: what the token says; ``tenants/sessions.py`` tells whether it still holds.
    """

    id: str
    tenant_id: str
    key_id: str | None
    expires_at: datetime


class Tokens:
    """Mint and verify tokens.

    Errors: every ``verify_*`` raises Unauthorized, with one text for whatever is wrong.
    """

    def __init__(self, secret: str, *, now: Callable[[], datetime]) -> None:
        self._secret = secret
        self._now = now

    def mint_attempt_token(self, attempt_id: str, tenant_id: str, fence: int) -> str:
        """Make the token that goes to the worker inside the DialRequest."""
        return self._mint("attempt", ATTEMPT_LIFE, sub=attempt_id, tenant=tenant_id, fence=fence)

    def verify_attempt_token(self, token: str, attempt_id: str) -> AttemptGrant:
        """Check that the token was made for this attempt."""
        claims = self._verify(token, "attempt")
        if claims["sub"] != attempt_id:
            raise _refused()
        return AttemptGrant(attempt_id, str(claims["tenant"]), int(claims["fence"]))

    def mint_worker_token(self, worker_id: str) -> str:
        """Make the token with which one worker reports its presence."""
        return self._mint("worker", WORKER_LIFE, sub=worker_id)

    def verify_worker_token(self, token: str, worker_id: str) -> None:
        """Check that the token was made for this worker."""
        if self.worker_of(token) != worker_id:
            raise _refused()

    def worker_of(self, token: str) -> str:
        """Tell which worker a token was made for."""
        return str(self._verify(token, "worker")["sub"])

    def mint_session(self, tenant_id: str, key_id: str | None = None) -> str:
        """Make the value of the page's cookie, for who signed in with this key, or with a link."""
        jti = secrets.token_hex(16)
        return self._mint("console", SESSION_LIFE, sub=tenant_id, jti=jti, key=key_id)

    def verify_session(self, token: str) -> Session:
        """Check the page's cookie; whether it still holds is the database's to say."""
        claims = self._verify(token, "console")
        key_id = claims["key"] if isinstance(claims.get("key"), str) else None
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        return Session(str(claims.get("jti", "")), str(claims["sub"]), key_id, expires_at)

    def mint_link(self, tenant_id: str) -> str:
        """Make the token of a sign-in link."""
        return self._mint("link", LINK_LIFE, sub=tenant_id, jti=secrets.token_hex(16))

    def verify_link(self, token: str) -> Link:
        """Check the token of a sign-in link; whether it was used is the database's to say."""
        claims = self._verify(token, "link")
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        return Link(str(claims["jti"]), str(claims["sub"]), expires_at)

    def _mint(self, audience: str, life: timedelta, **claims: Any) -> str:
        now = self._now()
        claims |= {
            "aud": audience,
            "iat": int(now.timestamp()),
            "exp": int((now + life).timestamp()),
        }
        return _JWT.encode(claims, self._secret, algorithm="HS256")

    def _verify(self, token: str, audience: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = _JWT.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=audience,
                # Times are checked below, by the clock that was given to us.
                options={
                    "require": ["exp", "iat", "sub", "aud"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError:
            raise _refused() from None
        if self._now().timestamp() >= float(claims["exp"]):
            raise _refused()
        return claims


def _refused() -> Unauthorized:
    return Unauthorized("unauthorized", "The credentials are missing or not valid.")
