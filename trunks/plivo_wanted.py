"""What trunks.yaml wants of a Plivo account: Zentrunk has a trunk for each direction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from trunks.resources import Complaint, Key, Value, Wanted
from trunks.sip_destinations import destinations

if TYPE_CHECKING:
    from trunks.desired import Desired, Inbound, Trunk

CREDENTIAL = "credential"
OUTBOUND = "outbound_trunk"
URI = "origination_uri"
INBOUND = "inbound_trunk"
NUMBER = "number"

_PASSWORD = frozenset({"password"})
#: An inbound trunk has one destination, and one for when that one fails.
PLACES = ("primary_uri", "fallback_uri")


def wanted(desired: Desired, carrier: str, place: str) -> Sequence[Wanted]:
    """Give all that should be there, trunk by trunk."""
    return [
        one
        for name, trunk in desired.trunks_at(carrier).items()
        for part in (_outbound(desired, place, name, trunk), _inbound(desired, place, name, trunk))
        for one in part
    ]


def complaints(desired: Desired, carrier: str) -> Sequence[Complaint]:
    """Find what Plivo has no way to do."""
    return [
        complaint
        for name, trunk in desired.trunks_at(carrier).items()
        for complaint in _complaints(name, trunk)
    ]


def is_secure(trunk: Trunk) -> bool:
    """Tell whether a trunk encrypts: at Plivo signalling and media, or neither."""
    return trunk.transport == "tls" and trunk.encryption != "disable"


def _outbound(desired: Desired, place: str, name: str, trunk: Trunk) -> Iterator[Wanted]:
    outbound, mark = trunk.outbound, desired.mark(name)
    if outbound is None or outbound.username is None or outbound.password is None:
        return
    credential = Key(place, CREDENTIAL, mark)
    fields: dict[str, Value] = {
        "username": outbound.username,
        "password": outbound.password.get_secret_value(),
    }
    yield Wanted(credential, fields, secrets=_PASSWORD, explain="who may dial through the trunk")
    yield Wanted(
        Key(place, OUTBOUND, mark),
        {"enabled": True, "secure": is_secure(trunk)},
        refs={"credential": credential},
        explain="the trunk that we dial through",
    )


def _inbound(desired: Desired, place: str, name: str, trunk: Trunk) -> Iterator[Wanted]:
    inbound, mark = trunk.inbound, desired.mark(name)
    to = destinations(trunk)[: len(PLACES)]
    if inbound is None or not to:
        return
    refs: dict[str, Key] = {}
    for part, one in zip(PLACES, to, strict=False):
        refs[part] = Key(place, URI, f"{mark}/{part}")
        uri = f"{one.address};transport={one.transport}"
        yield Wanted(
            refs[part], _uri_fields(uri, inbound), secrets=_PASSWORD, explain=f"calls go to {uri}"
        )
    trunk_key = Key(place, INBOUND, mark)
    yield Wanted(
        trunk_key,
        {"enabled": True, "secure": is_secure(trunk)},
        refs=refs,
        explain="the trunk that calls come through",
    )
    for number in desired.numbers_by_trunk[name]:
        if desired.route_of(number) is not None:
            yield Wanted(
                Key(place, NUMBER, desired.mark(number)),
                {},
                refs={"trunk": trunk_key},
                explain=f"calls to {number} come through the trunk",
                claims=frozenset({f"number:{number}"}),
            )


def _uri_fields(uri: str, inbound: Inbound) -> dict[str, Value]:
    fields: dict[str, Value] = {
        "uri": uri,
        "authentication_needed": inbound.username is not None,
        "username": inbound.username or "",
    }
    if inbound.password is not None:
        fields["password"] = inbound.password.get_secret_value()
    return fields


def _complaints(name: str, trunk: Trunk) -> Iterator[Complaint]:
    path = ("trunks", name)
    if (trunk.transport == "tls") != (trunk.encryption != "disable"):
        yield Complaint(
            (*path, "encryption"),
            "not_supported",
            "Plivo encrypts signalling and media, or neither: transport: tls goes with "
            "encryption: require.",
        )
    if trunk.outbound is not None and trunk.outbound.username is None:
        yield Complaint(
            (*path, "outbound"),
            "not_supported",
            "Plivo lets nobody dial without credentials: give username and password.",
        )
    if len(destinations(trunk)) > len(PLACES):
        yield Complaint(
            (*path, "inbound", "deliver_to"),
            "not_supported",
            "Plivo tries two destinations: the others are left out.",
            warning=True,
        )
