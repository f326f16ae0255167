"""What the gateway keeps of a file: the trunks that calls leave and come by, and our numbers.

Each kind is told how the file wants it, and what of it is compared, field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from telephony.call import DEFAULT_TENANT
from telephony.opening_hours import DAYS, Hours
from trunks.resources import Value

if TYPE_CHECKING:
    from pydantic import SecretStr

    from trunks.desired import Desired, Encryption, InboundRoute, Transport

K = TypeVar("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTrunk:
    """A trunk that calls are routed by.

    Shape: ``name`` is its name in the file, and ``deployment`` whose it is, empty where nobody
    made it by a file; ``livekit_name`` is what LiveKit calls it. ``codecs`` are those
    to offer, the best first; none is the bridge's own choice.
    """

    name: str
    deployment: str
    livekit_name: str
    address: str
    transport: Transport
    encryption: Encryption
    numbers: tuple[str, ...] = field(repr=False)
    username: str
    password: str = field(repr=False)
    prefixes: tuple[str, ...]
    priority: int
    cps: float
    concurrency: int | None
    destination_country: str
    headers: Mapping[str, str] = field(repr=False)
    codecs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundTrunk:
    """A trunk that calls come in by, and whom LiveKit asks to answer them.

    Shape: ``name`` and ``deployment`` as of a KeptTrunk; ``agent_name`` is what workers register
    with.
    """

    name: str
    deployment: str
    numbers: tuple[str, ...] = field(repr=False)
    allowed_addresses: tuple[str, ...]
    username: str
    password: str = field(repr=False)
    encryption: Encryption
    agent_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNumber:
    """A number of ours and what becomes of a call to it.

    Shape: ``name`` is the number in E.164. ``hours`` None is open always.
    """

    name: str = field(repr=False)
    deployment: str
    tenant: str = DEFAULT_TENANT
    agent: str
    enabled: bool = True
    hours: Hours | None = None
    closed_message: str | None = None
    overflow_number: str | None = field(default=None, repr=False)
    blocked_callers: tuple[str, ...] = field(default=(), repr=False)
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Kind(Generic[K]):
    """A kind of things that the gateway keeps.

    Shape: ``of_file`` gives those that a file wants, ``fields`` what is compared of one, and
    ``of_fields`` makes it from its deployment, its name and its fields again. ``explain`` and
    ``label`` are for people.
    """

    name: str
    of_file: Callable[[Desired], Iterable[K]]
    fields: Callable[[K], dict[str, Value]]
    of_fields: Callable[[str, str, Mapping[str, Any]], K]
    explain: Callable[[K], str]
    label: Callable[[K], str]
    secrets: frozenset[str]


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def _compared(kept: Any) -> dict[str, Value]:
    """Give all but whose it is and what it is called, which its key tells."""
    names = (one.name for one in fields(kept))
    return {name: getattr(kept, name) for name in names if name not in ("name", "deployment")}


def _trunks(desired: Desired) -> Iterable[KeptTrunk]:
    for name, trunk in desired.trunks.items():
        if (outbound := trunk.outbound) is not None:
            yield KeptTrunk(
                name=name,
                deployment=desired.deployment,
                livekit_name=desired.mark(name),
                address=desired.address_of(name),
                transport=trunk.transport,
                encryption=trunk.encryption,
                numbers=desired.numbers_by_trunk[name],
                username=outbound.username or "",
                password=_open(outbound.password),
                prefixes=outbound.prefixes,
                priority=outbound.priority,
                cps=outbound.cps,
                concurrency=outbound.concurrency,
                destination_country=outbound.destination_country or "",
                headers=dict(outbound.headers),
                codecs=outbound.codecs,
            )


TRUNK: Kind[KeptTrunk] = Kind(
    "trunk",
    _trunks,
    _compared,
    lambda deployment, name, told: KeptTrunk(deployment=deployment, name=name, **told),
    lambda _: "calls are routed by it",
    lambda kept: kept.name,
    frozenset({"password"}),
)


def inbound_trunk(desired: Desired, name: str, *, agent_name: str) -> InboundTrunk | None:
    """Give what a trunk of the file takes calls by; None where it takes none."""
    trunk = desired.trunks[name]
    called = [one for one in desired.numbers_by_trunk[name] if desired.route_of(one)]
    # Without a number it would be a trunk for calls to any number.
    if trunk.inbound is None or not called:
        return None
    return InboundTrunk(
        name=name,
        deployment=desired.deployment,
        numbers=tuple(sorted(called)),
        allowed_addresses=tuple(sorted(trunk.inbound.allowed_addresses)),
        username=trunk.inbound.username or "",
        password=_open(trunk.inbound.password),
        encryption=trunk.encryption,
        agent_name=agent_name,
    )


def _inbound_trunks(desired: Desired) -> Iterable[InboundTrunk]:
    agent_name = desired.livekit.agent_name
    each = (inbound_trunk(desired, name, agent_name=agent_name) for name in desired.trunks)
    return (trunk for trunk in each if trunk is not None)


INBOUND_TRUNK: Kind[InboundTrunk] = Kind(
    "inbound_trunk",
    _inbound_trunks,
    _compared,
    lambda deployment, name, told: InboundTrunk(deployment=deployment, name=name, **told),
    lambda kept: f"LiveKit is given it again should it forget ({len(kept.numbers)} numbers)",
    lambda kept: kept.name,
    frozenset({"password"}),
)


def _numbers(desired: Desired) -> Iterable[KeptNumber]:
    for digits in desired.numbers:
        if (route := desired.route_of(digits)) is not None:
            yield _number(desired, digits, route)


def _number(desired: Desired, digits: str, route: InboundRoute) -> KeptNumber:
    return KeptNumber(
        name=digits,
        deployment=desired.deployment,
        agent=route.agent,
        hours=desired.hours[route.hours] if route.hours else None,
        closed_message=route.closed.message if route.closed else None,
        overflow_number=route.overflow,
        blocked_callers=route.blocked_callers,
        webhook_url=route.webhook_url,
        webhook_secret=_open(route.webhook_secret) or None,
    )


def _number_fields(kept: KeptNumber) -> dict[str, Value]:
    hours = kept.hours
    spans = {day: tuple(map(str, hours.weekly.on(day))) if hours else () for day in DAYS}
    return {
        "agent": kept.agent,
        "enabled": kept.enabled,
        "hours.time_zone": hours.time_zone if hours else None,
        **{f"hours.{day}": spans[day] for day in DAYS},
        "hours.holidays": tuple(str(day) for day in sorted(hours.holidays)) if hours else (),
        "closed_message": kept.closed_message,
        "overflow_number": kept.overflow_number,
        "blocked_callers": tuple(sorted(kept.blocked_callers)),
        "webhook_url": kept.webhook_url,
        "webhook_secret": kept.webhook_secret,
    }


def _number_of_fields(deployment: str, name: str, told: Mapping[str, Any]) -> KeptNumber:
    plain = {key: value for key, value in told.items() if not key.startswith("hours.")}
    return KeptNumber(name=name, deployment=deployment, hours=_hours(told), **plain)


def _hours(told: Mapping[str, Any]) -> Hours | None:
    if told["hours.time_zone"] is None:
        return None
    return Hours.model_validate(
        {
            "time_zone": told["hours.time_zone"],
            "weekly": {day: told[f"hours.{day}"] for day in DAYS},
            "holidays": told["hours.holidays"],
        }
    )


def _answered(kept: KeptNumber) -> str:
    return f"answered by {kept.agent}" + ("" if kept.hours is None else ", in its hours")


def _whose(kept: KeptNumber) -> str:
    if kept.deployment:
        return f"{kept.name} (of the deployment {kept.deployment})"
    return f"{kept.name} (made by `dialer numbers add`, for the tenant {kept.tenant})"


NUMBER: Kind[KeptNumber] = Kind(
    "number",
    _numbers,
    _number_fields,
    _number_of_fields,
    _answered,
    _whose,
    frozenset({"webhook_secret"}),
)
