"""One carrier's REST API: requests with one client, and what its refusals mean."""

from __future__ import annotations

import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, cast

import httpx

from trunks.errors import TrunkError
from trunks.resources import Found, Key, Wanted

Json = dict[str, Any]

_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
#: A list that never ends is a fault of the far end, not something to wait for.
MOST_PAGES = 1000
_LONGEST_MESSAGE = 300
_AGAIN = "Run the command again: it goes on where it stopped."
#: Status -> code, what happened, and what to do about it.
_REFUSALS = {
    402: ("refused", "wants to be paid first", "Top the account up."),
    403: ("not_permitted", "does not permit it", "Give the key more rights, or ask the carrier."),
    404: ("not_found", "has no such thing", "Run the command again: it lists anew what is there."),
    409: ("conflict", "has something in the way", "Remove it there, or import it."),
}


class RestApi:
    """Requests to one carrier.

    Errors: every request raises TrunkError and nothing else.
    """

    def __init__(
        self,
        *,
        carrier: str,
        base_url: str,
        credentials: str,
        auth: httpx.Auth | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._carrier = carrier
        self._base_url = base_url.rstrip("/")
        #: How the file calls the credentials, for the sentence that says what to check.
        self._credentials = credentials
        self._auth = auth
        self._headers = dict(headers or {})
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str, **query: str | int) -> Json:
        """Read."""
        return await self._send("GET", path, query=query)

    async def post(self, path: str, body: Json) -> Json:
        """Make, or change where the carrier changes by POST."""
        return await self._send("POST", path, body=body)

    async def patch(self, path: str, body: Json) -> Json:
        """Change some fields."""
        return await self._send("PATCH", path, body=body)

    async def put(self, path: str, body: Json) -> Json:
        """Replace."""
        return await self._send("PUT", path, body=body)

    async def delete(self, path: str) -> None:
        """Remove; what is already gone is no error."""
        try:
            await self._send("DELETE", path)
        except TrunkError as error:
            if error.code != "not_found":
                raise

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()
        self._client = None

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Json | None = None,
    ) -> Json:
        if self._client is None:
            # No base_url of httpx: it would drop the slash that some carriers end their paths with.
            self._client = httpx.AsyncClient(
                auth=self._auth, headers=self._headers, timeout=_TIMEOUT, verify=_trusted()
            )
        try:
            answer = await self._client.request(
                method, f"{self._base_url}{path}", params=dict(query or {}), json=body
            )
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        if answer.is_success:
            return self._object(answer)
        raise self._refusal(answer, _secrets(body))

    def _object(self, answer: httpx.Response) -> Json:
        if not answer.content:
            return {}
        try:
            told = answer.json()
        except ValueError:
            raise TrunkError(
                "carrier_error",
                f"{self._carrier} answered with something that is not JSON.",
                "Try again; if it stays so, see the carrier's status page.",
                retryable=True,
            ) from None
        return cast(Json, told) if isinstance(told, dict) else {"items": told}

    def _lost(self, error: httpx.HTTPError) -> TrunkError:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return TrunkError(
                "unreachable", f"{self._carrier} cannot be reached.", _AGAIN, retryable=True
            )
        if isinstance(error, httpx.TimeoutException):
            return TrunkError(
                "timeout", f"{self._carrier} did not answer in time.", _AGAIN, retryable=True
            )
        return TrunkError(
            "carrier_error",
            f"{self._carrier} closed the connection before it answered.",
            _AGAIN,
            retryable=True,
        )

    def _refusal(self, answer: httpx.Response, secrets: frozenset[str]) -> TrunkError:
        status, said = answer.status_code, _said(answer, secrets)
        if status == 429 or status >= 500:
            return TrunkError(
                "rate_limited" if status == 429 else "carrier_error",
                f"{self._carrier} answered with {status}.{said}",
                _AGAIN,
                retryable=True,
                retry_after=_retry_after(answer),
            )
        if status == 401:
            return TrunkError(
                "credentials_refused",
                f"{self._carrier} does not take the credentials.",
                f"Check {self._credentials}.",
            )
        code, what, fix = _REFUSALS.get(status, ("refused", "refused it", "Change trunks.yaml."))
        return TrunkError(code, f"{self._carrier} {what} ({status}).{said}", fix)


@cache
def _trusted() -> ssl.SSLContext:
    """Read the certificates that are trusted, once: it takes a tenth of a second and more."""
    return httpx.create_ssl_context()


@contextmanager
def understanding(carrier: str) -> Generator[None]:
    """Read what was told. Errors: TrunkError where it is not of the documented shape."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TrunkError(
            "carrier_error",
            f"{carrier} answered with something that its documentation does not have.",
            f"Nothing can be made of {type(error).__name__} {error}: please report it.",
        ) from error


def part(told: Json, name: str) -> Json:
    """Give an object inside of what was told; an empty one where there is none."""
    return cast(Json, told.get(name) or {})


def as_made(wanted: Wanted, ids: Mapping[Key, str], id: str) -> Found:
    """Say what is there after a carrier did as it was asked, and told no more than an id."""
    return Found(
        wanted.key,
        id,
        {name: value for name, value in wanted.fields.items() if name not in wanted.secrets},
        refs={name: ids[key] for name, key in wanted.refs.items()},
        label=wanted.key.name,
        kind=wanted.key.kind,
        claims=wanted.claims,
    )


def _secrets(body: Json | None) -> frozenset[str]:
    told = (body or {}).items()
    return frozenset(str(value) for key, value in told if "password" in key and value)


def _said(answer: httpx.Response, secrets: frozenset[str]) -> str:
    """Give the carrier's own words, without a password that it might repeat."""
    try:
        told = answer.json()
    except ValueError:
        return ""
    words = " ".join(_sentences(told))[:_LONGEST_MESSAGE]
    for secret in secrets:
        words = words.replace(secret, "***")
    return f" It says: {words}" if words else ""


#: Under these names Telnyx, Plivo and Wavix tell what went wrong.
_MESSAGES = ("title", "detail", "message", "error", "errors")


def _sentences(told: object) -> list[str]:
    if isinstance(told, str):
        return [told]
    if isinstance(told, list):
        return [words for part in cast("list[object]", told) for words in _sentences(part)]
    if isinstance(told, dict):
        parts = cast("dict[str, object]", told)
        return [words for name in _MESSAGES for words in _sentences(parts.get(name))]
    return []


def _retry_after(answer: httpx.Response) -> float | None:
    said = answer.headers.get("Retry-After", "")
    if said.isdigit():
        return float(said)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
