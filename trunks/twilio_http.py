"""Requests to Twilio over httpx: few at a time, and every failure told as a TrunkError."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx

from trunks.twilio_errors import gibberish, refusal, silence

#: Twilio limits how many requests of an account it works on at once (its error 20429).
AT_ONCE = 4
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
_SID = re.compile(r"^[A-Z]{2}[0-9a-f]{32}$")


class TwilioHttp:
    """Sends one request at a time through each of a few places.

    Errors: TrunkError for whatever is not an answer; no SDK's exception comes out of here.
    """

    def __init__(self, http: httpx.AsyncClient | None = None) -> None:
        self._http = http or httpx.AsyncClient(timeout=_TIMEOUT, verify=_trusted())
        self._places = asyncio.Semaphore(AT_ONCE)
        #: Where the credentials stand in the file, for the sentence that says what to check.
        self.credentials_at = "carriers"

    async def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None,
        form: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        auth: tuple[str, str] | None,
    ) -> httpx.Response:
        """Send a request and give its answer, which is one of success."""
        asked = _in_words(method, url)
        request = self._http.build_request(
            method, url, params=params or None, data=form or None, headers=headers
        )
        async with self._places:
            try:
                response = await self._http.send(request, auth=auth or httpx.USE_CLIENT_DEFAULT)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                raise silence("unreachable", asked) from None
            except httpx.TimeoutException:
                raise silence("timeout", asked) from None
            except httpx.RequestError:
                # It broke while the answer was awaited: done or not, nobody knows.
                raise silence("timeout", asked) from None
        if not response.is_success:
            raise refusal(
                response.status_code,
                _without(str((form or {}).get("Password", "")), response.text),
                response.headers,
                asked,
                credentials_at=self.credentials_at,
            )
        if response.content and not _is_json(response):
            raise gibberish(asked)
        return response

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """Read the certificates that are trusted once, which takes longer than a request."""
    return httpx.create_ssl_context()


def _without(secret: str, text: str) -> str:
    """Cross a secret out of what Twilio says, should it repeat what it was sent."""
    for written in (secret, json.dumps(secret)[1:-1]) if secret else ():
        text = text.replace(written, "***")
    return text


def _is_json(response: httpx.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True


def _in_words(method: str, url: str) -> str:
    """Say what a request is about without the ids in it, as "make Trunks/OriginationUrls"."""
    verb = {"GET": "list", "POST": "make or change", "DELETE": "delete"}.get(method, method)
    parts = httpx.URL(url).path.removesuffix(".json").split("/")[2:]
    named = [p for p in parts if p and not _SID.match(p.removesuffix(".json")) and p != "Accounts"]
    return f"{verb} {'/'.join(named) or 'the account'}"
