"""A number's webhook chooses the agent: what is asked, how it is signed, what an answer means.

The signature is that of Standard Webhooks 1.0 (https://www.standardwebhooks.com): HMAC-SHA256 over
``id.timestamp.body``, in base64 behind ``v1,``. The caller hears ringing meanwhile, so there is one
try of two seconds; whatever goes wrong, the number's own agent answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Protocol

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dialer import metrics
from dialer.admission.agents import Agents
from dialer.inbound.numbers import InboundNumber
from dialer.problems import BadRequest
from dialer.reading import loads
from dialer.routing.sealing import Sealing, Unsealable
from telephony.errors import NotFound, Refused
from telephony.events import RoutedBy
from telephony.webhook_secrets import SHORTEST, key_of, long_enough

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: bytes.
MOST_ANSWERED: Final = 16 * 1024
#: Units: seconds, from the first look at its name to the last byte of its answer.
WITHIN: Final = 2.0


class WebhookFailed(Exception):
    """A webhook gave no answer that can be read."""

    def __init__(self, result: RoutedBy, status: int | None = None) -> None:
        super().__init__(result.value)
        self.result = result
        self.status = status


class Webhooks(Protocol):
    """Sends one request to a webhook; redirects and second tries there are none."""

    async def ask(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Give the body of an answer of 200, of at most ``MOST_ANSWERED`` bytes, in ``WITHIN``.

        Errors: WebhookFailed.
        """
        ...


#: No database keeps a zero byte in a text.
_Text = Annotated[str, Field(max_length=2048, pattern=r"^[^\x00]*$")]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    agent: str | None = Field(default=None, max_length=128)
    variables: dict[Annotated[str, Field(max_length=64)], _Text] = Field(
        default_factory=dict[str, str], max_length=64
    )
    reject: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers, and what came of the question; ``agent`` None where the call is rejected."""

    result: RoutedBy
    agent: str | None
    variables: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    status: int | None = None
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """Which call it is about; ``caller_id`` None where it was withheld."""

    call_id: str
    phone_number: str = field(repr=False)
    caller_id: str | None = field(repr=False)
    received_at: datetime

    def body(self) -> bytes:
        """Write it as JSON."""
        return json.dumps(
            {
                "call_id": self.call_id,
                "phone_number": self.phone_number,
                "caller_id": self.caller_id,
                "received_at": self.received_at.astimezone(UTC).isoformat(),
            },
            separators=(",", ":"),
        ).encode()


class Chooser:
    """Asks the webhooks of numbers."""

    def __init__(
        self,
        webhooks: Webhooks,
        *,
        sealing: Sealing,
        agents: Agents,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._webhooks = webhooks
        self._sealing = sealing
        self._agents = agents
        self._now = now
        self._clock = clock

    async def choose(self, number: InboundNumber, question: Question) -> Choice | None:
        """Ask who answers; None where the number has no webhook. Errors: none."""
        if number.webhook_url is None:
            return None
        began = self._clock()
        try:
            chosen = await self._ask(number, number.webhook_url, question)
        except WebhookFailed as failed:
            chosen = Choice(failed.result, number.agent, status=failed.status)
        took = self._clock() - began
        metrics.INBOUND_WEBHOOKS.labels(result=chosen.result.value).inc()
        told = {"result": chosen.result.value, "status": chosen.status}
        log.info("agent chosen", call_id=question.call_id, took_ms=round(took * 1000), **told)
        return Choice(chosen.result, chosen.agent, chosen.variables, chosen.status, took)

    async def _ask(self, number: InboundNumber, url: str, question: Question) -> Choice:
        try:
            secret = self._sealing.open(number.webhook_secret_sealed or "")
        except Unsealable:
            raise WebhookFailed(RoutedBy.NO_SECRET) from None
        if not secret:
            raise WebhookFailed(RoutedBy.NO_SECRET)
        body = question.body()
        headers = signed(secret, f"msg_{question.call_id}", self._now(), body)
        answer = read(await self._webhooks.ask(url, body, headers))
        if answer.reject:
            return Choice(RoutedBy.REJECTED, None, status=200)
        assert answer.agent is not None
        try:
            self._agents.resolve(answer.agent, answer.variables)
        except (NotFound, Refused):
            raise WebhookFailed(RoutedBy.UNKNOWN_AGENT, 200) from None
        return Choice(RoutedBy.CHOSEN, answer.agent, dict(answer.variables), 200)


def read(body: bytes) -> _Answer:
    """Read an answer. Errors: WebhookFailed ``bad_answer``."""
    try:
        answer = _Answer.model_validate(loads(body))
    except (BadRequest, ValidationError, RecursionError):
        raise WebhookFailed(RoutedBy.BAD_ANSWER, 200) from None
    if answer.agent is None and not answer.reject:
        raise WebhookFailed(RoutedBy.BAD_ANSWER, 200)
    return answer


def signed(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Give the headers that sign a body."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode('ascii')}",
    }


def usable_secret(secret: str) -> str:
    """Check a webhook's secret, and give it back.

    Errors: Refused ``invalid_value``.
    """
    if not long_enough(secret):
        raise Refused(
            "invalid_value",
            f"A webhook's secret is whsec_ and base64, or a text, of at least {SHORTEST} "
            "bytes: openssl rand -hex 32.",
            field="webhook_secret",
        )
    return secret
