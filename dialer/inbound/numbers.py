"""Our own numbers, and what becomes of a call to one: the port to where they are kept.

``dialer numbers`` fills it, and whatever else knows an operator's wishes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from dialer.inbound.callable_urls import callable_url
from telephony.blocked_callers import ANONYMOUS
from telephony.blocked_callers import read as read_blocked
from telephony.errors import InvalidNumber, Refused
from telephony.numbers import E164
from telephony.opening_hours import Hours


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundNumber:
    """One of a tenant's numbers, and who answers it.

    Shape: ``hours`` None is open always. ``blocked_callers`` are numbers in E.164, beginnings of
    numbers (``+1900*``) and ``anonymous``. ``overflow_number`` is where calls go that no agent can
    take; ``closed_message`` is what is said outside the hours, by default a line of ours.
    ``webhook_url`` is asked which agent answers; the secret that signs the question is sealed.
    """

    number: str = field(repr=False)
    agent: str
    enabled: bool = True
    hours: Hours | None = None
    closed_message: str | None = None
    overflow_number: str | None = field(default=None, repr=False)
    blocked_callers: tuple[str, ...] = field(default=(), repr=False)
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret_sealed: str | None = field(default=None, repr=False)

    def blocks(self, caller: E164 | None) -> bool:
        """Tell whether calls from this caller are not taken; None does not show a number."""
        if caller is None:
            return ANONYMOUS in self.blocked_callers
        return any(
            caller.digits.startswith(blocked[:-1])
            if blocked.endswith("*")
            else caller.digits == blocked
            for blocked in self.blocked_callers
        )


@dataclass(frozen=True, slots=True)
class Owned:
    """A number as it is kept: whose it is, and under which id.

    Shape: ``deployment`` is that of the file that it was made by, empty where there was none.
    """

    tenant_id: str
    id: str
    inbound: InboundNumber
    deployment: str = ""


class InboundNumbers(Protocol):
    """The numbers of one tenant."""

    async def put(self, number: InboundNumber) -> str:
        """Keep a number, or what is new about it; gives its id.

        Errors: Conflict ``number_taken`` when it is another tenant's; Refused ``invalid_value``
        when its callers would come back to us.
        """
        ...

    async def list(self) -> list[Owned]:
        """List them, in the order of their digits."""
        ...

    async def remove(self, number: str) -> None:
        """Forget a number.

        Errors: NotFound.
        """
        ...


def described(
    number: str,
    *,
    agent: str,
    enabled: bool = True,
    hours: Any = None,
    closed_message: str | None = None,
    overflow_number: str | None = None,
    blocked_callers: tuple[str, ...] = (),
    webhook_url: str | None = None,
    webhook_secret_sealed: str | None = None,
) -> InboundNumber:
    """Check what somebody wrote about a number.

    Errors: InvalidNumber for a number that is none; Refused ``webhook_url_forbidden`` for a URL
    that is never called, ``invalid_value`` for all else.
    """
    if (webhook_url is None) != (not webhook_secret_sealed):
        raise Refused(
            "invalid_value", "A webhook's URL and its secret go together.", field="webhook_secret"
        )
    digits = str(E164.parse(number, field="number"))
    overflow = (
        None
        if overflow_number is None
        else str(E164.parse(overflow_number, field="overflow_number"))
    )
    if overflow == digits:
        raise circles("is the number itself")
    return InboundNumber(
        number=digits,
        agent=agent,
        enabled=enabled,
        hours=None if hours is None else _hours(hours),
        closed_message=closed_message,
        overflow_number=overflow,
        blocked_callers=tuple(read_blocked(one) for one in blocked_callers),
        webhook_url=None if webhook_url is None else callable_url(webhook_url),
        webhook_secret_sealed=webhook_secret_sealed or None,
    )


def circles(why: str) -> Refused:
    """Refuse an overflow number whose calls would come back to us, and say why they would."""
    said = f"The overflow number {why}: a call would go round in circles, and each round costs."
    return Refused("invalid_value", said, field="overflow_number")


def _hours(written: Any) -> Hours:
    try:
        return Hours.model_validate(written)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in ("hours", *first["loc"]))
        said = str(first["msg"]).removeprefix("Value error, ").removesuffix(".")
        raise Refused("invalid_value", f"{where}: {said}.", field=where) from None


def read_caller(told: str | None) -> E164 | None:
    """Read who calls; None where no number is shown, or what is shown is none."""
    return None if told is None else _read(told)


def read_called(told: str) -> E164 | None:
    """Read which number was called; carriers leave the plus out, or write more than a number."""
    return _read(told)


def _read(told: str) -> E164 | None:
    for written in (told, f"+{told}"):
        try:
            return E164.parse(written)
        except InvalidNumber:
            continue
    return None
