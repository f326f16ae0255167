"""A stand-in for Twilio's trunking, voice and account APIs that keeps state and fails on request.

Tests reach it through respx (``stand_in.router()``): whatever the product sends to a host of
twilio.com is answered here. It checks credentials and required fields, pages its lists, answers
with Twilio's error documents, and keeps every exchange, which the contract test holds against
Twilio's published OpenAPI description.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
import respx

from tests.kit.twilio_routes import ACCOUNT_SID, Asked, answer, refused
from tests.kit.twilio_state import Refusal, TwilioState

AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
API_KEY = "SK" + "0b" * 16
API_SECRET = "a secret of an API key"


class Killed(BaseException):
    """The process is killed at this moment: nothing of ours may catch it."""


@dataclass(frozen=True)
class Exchange:
    """One request and what it was answered."""

    method: str
    url: httpx.URL
    form: dict[str, str]
    status: int
    body: Any

    @property
    def writes(self) -> bool:
        """Tell whether it was meant to change something."""
        return self.method != "GET"


@dataclass
class Fault:
    """Something that happens at the n-th request from now on, before or after it is done."""

    at: int
    what: int | type[BaseException]
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def strike(self, request: httpx.Request) -> httpx.Response:
        """Answer with a status, or raise what a broken connection or a kill raises."""
        if not isinstance(self.what, int):
            if issubclass(self.what, httpx.RequestError):
                raise self.what("the stand-in says so", request=request)
            raise self.what()
        code = {429: 20429, 500: 20500, 503: 20503}.get(self.what, self.what)
        return refused(Refusal(self.what, code, "The stand-in says so"), self.headers)


@dataclass
class TwilioStandIn:
    """One account at Twilio.

    Shape: ``state`` is what is there; ``exchanges`` all that was asked; ``faults`` what shall go
    wrong. ``largest_page`` makes lists come in many pages.
    """

    state: TwilioState = field(default_factory=lambda: TwilioState(ACCOUNT_SID))
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    faults: list[Fault] = field(default_factory=list[Fault])
    largest_page: int = 1000
    #: Countries that may be called.
    countries: dict[str, bool] = field(default_factory=lambda: {"US": True, "GB": False})
    status: str = "active"

    def router(self) -> respx.MockRouter:
        """Give the router to be used as a context; hosts outside Twilio stay unreachable."""
        router = respx.MockRouter(assert_all_called=False)
        router.route(host__regex=r"^(trunking|api|voice)(\.[a-z0-9-]+)*\.twilio\.com$").mock(
            side_effect=self
        )
        return router

    def fail(self, at: int, what: int | type[BaseException], **how: Any) -> None:
        """Have the n-th request from now on (the first is 1) go wrong."""
        self.faults.append(Fault(len(self.exchanges) + at, what, **how))

    def writes(self) -> list[Exchange]:
        """List what was asked to be changed."""
        return [exchange for exchange in self.exchanges if exchange.writes]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        number = len(self.exchanges) + 1
        fault = next((f for f in self.faults if f.at == number), None)
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        if fault is not None and not fault.after:
            self._note(request, form, httpx.Response(599, json=None))
            return fault.strike(request)
        response = self._answer(request, form)
        self._note(request, form, response)
        return response if fault is None else fault.strike(request)

    def _note(self, request: httpx.Request, form: dict[str, str], response: httpx.Response) -> None:
        body = response.json() if response.content else None
        status = response.status_code
        self.exchanges.append(Exchange(request.method, request.url, form, status, body))

    def _answer(self, request: httpx.Request, form: dict[str, str]) -> httpx.Response:
        if not _known(request.headers.get("authorization", "")):
            return refused(Refusal(401, 20003, "Authenticate"))
        asked = Asked(
            method=request.method,
            url=request.url,
            form=form,
            state=self.state,
            status=self.status,
            countries=self.countries,
            largest_page=self.largest_page,
        )
        return answer(asked)


def _known(authorization: str) -> bool:
    users = {ACCOUNT_SID: AUTH_TOKEN, API_KEY: API_SECRET}
    expected = {
        "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
        for user, secret in users.items()
    }
    return authorization in expected
