"""What trunks.yaml wants of a Telnyx account."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trunks.resources import Complaint, Key, Value, Wanted
from trunks.sip_destinations import Destination, destinations

if TYPE_CHECKING:
    from trunks.desired import Desired, Trunk

PROFILE = "outbound_profile"
CONNECTION = "connection"
FQDN = "fqdn"
FIRST = "first_destination"
NUMBER = "number"


def wanted(desired: Desired, carrier: str, place: str) -> Sequence[Wanted]:
    """Give all that should be there, trunk by trunk."""
    return [
        one
        for name, trunk in desired.trunks_at(carrier).items()
        for one in _of_trunk(desired, place, name, trunk)
    ]


def complaints(desired: Desired, carrier: str) -> Sequence[Complaint]:
    """Find what Telnyx would refuse."""
    return [
        complaint
        for name, trunk in desired.trunks_at(carrier).items()
        for complaint in _complaints(name, trunk)
    ]


def _of_trunk(desired: Desired, place: str, name: str, trunk: Trunk) -> Iterator[Wanted]:
    mark = desired.mark(name)
    refs: dict[str, Key] = {}
    if trunk.outbound is not None:
        profile = Key(place, PROFILE, mark)
        fields: dict[str, Value] = {"enabled": True, "concurrency": trunk.outbound.concurrency}
        yield Wanted(profile, fields, explain="what the trunk may dial")
        refs["outbound_profile"] = profile
    connection = Key(place, CONNECTION, mark)
    yield Wanted(
        connection,
        _connection_fields(trunk),
        secrets=frozenset({"password"}),
        refs=refs,
        explain="the trunk",
    )
    yield from _routes(mark, connection, destinations(trunk))
    for number in desired.numbers_by_trunk[name]:
        yield Wanted(
            Key(place, NUMBER, desired.mark(number)),
            {},
            refs={"connection": connection},
            explain=f"{number} belongs to the trunk",
            claims=frozenset({f"number:{number}"}),
        )


def _routes(mark: str, connection: Key, to: Sequence[Destination]) -> Iterator[Wanted]:
    for one in to:
        yield Wanted(
            Key(connection.place, FQDN, f"{mark}/{one.address}"),
            {"host": one.host, "port": one.port},
            refs={"connection": connection},
            explain=f"calls may go to {one.address}",
        )
    if to:
        first = Key(connection.place, FQDN, f"{mark}/{to[0].address}")
        yield Wanted(
            Key(connection.place, FIRST, mark),
            {},
            refs={"connection": connection, "fqdn": first},
            explain=f"calls go to {to[0].address} first",
        )


def _connection_fields(trunk: Trunk) -> dict[str, Value]:
    outbound = trunk.outbound
    transport = "udp" if trunk.transport == "auto" else trunk.transport
    fields: dict[str, Value] = {
        "active": True,
        "transport": transport,
        "numbers_with_plus": True,
    }
    if outbound is not None and outbound.username is not None:
        fields["username"] = outbound.username
    # With TLS Telnyx takes no word about the media (``encrypted_media``).
    if transport != "tls":
        fields["srtp"] = trunk.encryption != "disable"
    if outbound is not None and outbound.password is not None:
        fields["password"] = outbound.password.get_secret_value()
    return fields


def _complaints(name: str, trunk: Trunk) -> Iterator[Complaint]:
    path = ("trunks", name)
    for one in destinations(trunk):
        if _is_ip(one.host):
            yield Complaint(
                (*path, "inbound", "deliver_to"),
                "not_supported",
                f"Telnyx is told host names, not {one.host}: give the bridge a name in the DNS.",
            )
    if trunk.transport == "tls" and trunk.encryption != "disable":
        yield Complaint(
            (*path, "encryption"),
            "not_supported",
            "With TLS Telnyx's API takes no word about SRTP: choose it at portal.telnyx.com.",
            warning=True,
        )


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
