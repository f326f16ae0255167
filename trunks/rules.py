"""Rules that one field alone cannot keep: names that must exist, trunks that must be closed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from telephony.webhook_secrets import SHORTEST, long_enough
from trunks import addresses
from trunks.accounts import Generic, Twilio
from trunks.desired import Desired, Inbound, InboundRoute, Number, Outbound, Trunk
from trunks.faults import closest
from trunks.resources import Complaint

_MIN_PASSWORD = 16
_SIP_PORT = 5060
#: Units: seconds. A bridge keeps a port for about as long after a call's end.
_PORT_RESTS = 30


def check(desired: Desired, *, i_know: bool = False) -> list[Complaint]:
    """Give everything that is wrong or doubtful; ``i_know`` lets a trunk be open to all."""
    found: list[Complaint] = []
    for name, trunk in desired.trunks.items():
        found += _trunk(desired, name, trunk, i_know)
    for digits, number in desired.numbers.items():
        found += _number(desired, digits, number)
    for name, route in desired.inbound_routes.items():
        found += _route(desired, ("inbound_routes", name), route)
    for name, hours in desired.hours.items():
        if (day := hours.overlap()) is not None:
            said = "Two spans overlap: what goes on after midnight counts on the next day, too."
            found.append(Complaint(("hours", name, "weekly", day), "hours_overlap", said))
    return [*found, *_media_ports(desired)]


def _media_ports(desired: Desired) -> Iterator[Complaint]:
    """Compare the bridge's ports with the calls that the trunks let leave through them."""
    if desired.livekit.rtp_ports is None:
        return
    there = addresses.ports_in(desired.livekit.rtp_ports)
    needs = {
        name: (trunk.outbound.concurrency or 0) + math.ceil(trunk.outbound.cps * _PORT_RESTS)
        for name, trunk in desired.trunks.items()
        if trunk.outbound is not None
    }
    if sum(needs.values()) > there:
        each = " + ".join(f"{name} {need}" for name, need in needs.items())
        said = (
            f"{there} ports are too few: {each} = {sum(needs.values())} are needed (concurrency, "
            f"and cps x {_PORT_RESTS}: a port rests that many seconds after its call)."
        )
        yield Complaint(("livekit", "rtp_ports"), "rtp_ports_too_few", said)


def _trunk(desired: Desired, name: str, trunk: Trunk, i_know: bool) -> Iterator[Complaint]:
    path = ("trunks", name)
    if trunk.carrier not in desired.carriers:
        yield _unknown((*path, "carrier"), trunk.carrier, desired.carriers)
        return
    if trunk.outbound is None and trunk.inbound is None:
        yield Complaint(path, "does_nothing", "It has neither outbound nor inbound.")
    if not desired.numbers_by_trunk[name]:
        yield Complaint(path, "no_numbers", "No number belongs to it: name one under numbers.")
    yield from _encryption(path, trunk)
    if trunk.outbound is not None:
        yield from _outbound(desired, path, trunk, trunk.outbound)
    if trunk.inbound is not None:
        yield from _inbound(path, trunk.inbound, i_know)


def _encryption(path: tuple[str, ...], trunk: Trunk) -> Iterator[Complaint]:
    tls = trunk.transport == "tls"
    if trunk.secure and not (tls and trunk.encryption == "require"):
        said = "A secure trunk needs transport: tls and encryption: require."
        yield Complaint((*path, "secure"), "secure_needs_tls", said)
    if trunk.encryption != "disable" and not tls:
        said = "Without transport: tls the media's keys can be read on the way."
        yield Complaint((*path, "encryption"), "keys_in_the_clear", said, warning=True)
    if tls and trunk.address and addresses.port_of(trunk.address) == _SIP_PORT:
        said = "TLS is mostly spoken on port 5061; 5060 is for UDP and TCP."
        yield Complaint((*path, "address"), "tls_on_5060", said, warning=True)


def _outbound(
    desired: Desired, path: tuple[str, ...], trunk: Trunk, outbound: Outbound
) -> Iterator[Complaint]:
    carrier = desired.carriers[trunk.carrier]
    if isinstance(carrier, Twilio) and trunk.domain is None:
        said = "Choose the name of the termination domain, what stands before .pstn.twilio.com."
        yield Complaint((*path, "domain"), "domain_needed", said)
    if isinstance(carrier, Generic) and trunk.address is None:
        said = "Give the carrier's host and port, as sip.example.net:5060."
        yield Complaint((*path, "address"), "address_needed", said)
    yield from _credentials(
        (*path, "outbound"),
        outbound.username,
        outbound.password,
        lenient=addresses.is_loopback(desired.address_of(path[1])),
    )


def _inbound(path: tuple[str, ...], inbound: Inbound, i_know: bool) -> Iterator[Complaint]:
    here = (*path, "inbound")
    if not inbound.allowed_addresses and inbound.username is None:
        said = (
            "It would take calls from anybody: add auth (username and password) or the CIDRs of "
            "the carrier (allowed_addresses)."
        )
        yield Complaint(here, "add_auth_or_cidr", said)
    for index, network in enumerate(inbound.allowed_addresses):
        if addresses.admits_everybody(network):
            said = f"{network} admits everybody; --i-know takes it all the same."
            where = (*here, "allowed_addresses", index)
            yield Complaint(where, "open_to_all", said, warning=i_know)
    for index, target in enumerate(inbound.deliver_to):
        tls = addresses.uri_speaks_tls(target.url)
        if tls and addresses.port_of_uri(target.url) == _SIP_PORT:
            said = "TLS is mostly spoken on port 5061; 5060 is for UDP and TCP."
            yield Complaint((*here, "deliver_to", index, "url"), "tls_on_5060", said, warning=True)
    yield from _credentials(here, inbound.username, inbound.password, lenient=False)


def _credentials(
    path: tuple[str, ...], username: str | None, password: SecretStr | None, *, lenient: bool
) -> Iterator[Complaint]:
    if (username is None) != (password is None):
        said = "username and password go together."
        yield Complaint(path, "username_and_password", said)
    elif password and len(password.get_secret_value()) < _MIN_PASSWORD and not lenient:
        said = f"It has fewer than {_MIN_PASSWORD} characters, and will be guessed."
        yield Complaint((*path, "password"), "password_too_short", said)


def _number(desired: Desired, digits: str, number: Number) -> Iterator[Complaint]:
    path = ("numbers", digits)
    trunk = desired.trunks.get(number.trunk)
    if trunk is None:
        yield _unknown((*path, "trunk"), number.trunk, desired.trunks)
    if number.route is not None and number.inbound is not None:
        said = "It has a route and one of its own: keep one."
        yield Complaint((*path, "inbound"), "route_twice", said)
    if number.route is not None and number.route not in desired.inbound_routes:
        yield _unknown((*path, "route"), number.route, desired.inbound_routes)
        return
    route = desired.route_of(digits)
    if route is None:
        return
    if trunk is not None and trunk.inbound is None:
        said = f"The trunk {number.trunk} takes no calls: it has no inbound part."
        yield Complaint((*path, "trunk"), "takes_no_calls", said)
    yield from _overflow(desired, digits, number, route)
    if number.inbound is not None:
        yield from _route(desired, (*path, "inbound"), number.inbound)


def _overflow(
    desired: Desired, digits: str, number: Number, route: InboundRoute
) -> Iterator[Complaint]:
    if route.overflow is None or not _is_answered(desired, route.overflow):
        return
    shared = number.route
    where = ("inbound_routes", shared) if shared else ("numbers", digits, "inbound")
    to = "itself" if route.overflow == digits else "a number that is answered here as well"
    said = f"It overflows to {to}: the call would go round in circles."
    yield Complaint((*where, "overflow"), "overflow_loops", said)


def _is_answered(desired: Desired, digits: str) -> bool:
    number = desired.numbers.get(digits)
    return number is not None and (number.inbound is not None or number.route is not None)


def _route(desired: Desired, path: tuple[str, ...], route: InboundRoute) -> Iterator[Complaint]:
    if route.hours is not None and route.hours not in desired.hours:
        yield _unknown((*path, "hours"), route.hours, desired.hours)
    if route.hours is not None and route.closed is None and route.overflow is None:
        said = "Say what a caller gets outside these hours: closed or overflow."
        yield Complaint((*path, "hours"), "closed_needed", said)
    if route.closed is not None and route.hours is None:
        said = "It says what happens outside hours, and names none."
        yield Complaint((*path, "closed"), "closed_without_hours", said)
    yield from _webhook(path, route)


def _webhook(path: tuple[str, ...], route: InboundRoute) -> Iterator[Complaint]:
    secret = route.webhook_secret
    if (route.webhook_url is None) != (secret is None):
        said = "webhook_url and webhook_secret go together: every question is signed."
        yield Complaint(path, "webhook_and_secret", said)
    elif secret is not None and not long_enough(secret.get_secret_value()):
        said = (
            f"It has fewer than {SHORTEST} bytes, and will be guessed; behind whsec_ those of its "
            "base64 count."
        )
        yield Complaint((*path, "webhook_secret"), "password_too_short", said)


def _unknown(path: tuple[str, ...], name: str, known: Mapping[str, object]) -> Complaint:
    return Complaint(path, "unknown_name", f"There is no {name}. {closest(name, sorted(known))}")
