"""What trunks.yaml wants in LiveKit: an outbound trunk, an inbound trunk and its dispatch rule."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from trunks.kept import InboundTrunk, inbound_trunk
from trunks.resources import Key, Value, Wanted

if TYPE_CHECKING:
    from pydantic import SecretStr

    from trunks.desired import Desired, Outbound, Trunk

OUTBOUND = "outbound_trunk"
INBOUND = "inbound_trunk"
RULE = "dispatch_rule"

_PASSWORD = frozenset({"password"})
#: LiveKit's own names for attributes made from headers. With the caller's number hidden from names
#: they are all that tells the worker who calls, and which number.
_ATTRIBUTES = {"From": "sip.h.from", "To": "sip.h.to"}


def offer_codecs(media: Any, codecs: Sequence[str]) -> None:
    """Have a trunk's media (LiveKit's SIPMediaConfig) offer these alone; none: the bridge's own."""
    del media.codecs[:]
    for name in codecs:
        media.codecs.add(name=name)
    media.only_listed_codecs = bool(codecs)


def offered_codecs(media: Any) -> tuple[str, ...]:
    """Give the codecs that a trunk's media offers alone, none where the bridge chooses."""
    return tuple(codec.name for codec in media.codecs) if media.only_listed_codecs else ()


def metadata_mark(deployment: str) -> str:
    """Give the mark that a thing of a deployment bears beside its name."""
    return json.dumps({"made_by": "telephony", "deployment": deployment}, sort_keys=True)


def bears_mark(metadata: str, deployment: str) -> bool:
    """Tell whether metadata is that mark, however it is written."""
    try:
        return json.loads(metadata or "{}") == json.loads(metadata_mark(deployment))
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class LiveKitWishes:
    """The wishes of one deployment.

    Shape: ``agent_name`` is what workers register with; ``longest_call`` is the bridge's own guard
    over inbound calls, the last of three.
    """

    deployment: str
    agent_name: str = "telephony"
    longest_call: timedelta = timedelta(hours=4)
    place: str = "livekit"

    @property
    def room_prefix(self) -> str:
        """Give the first part of the names of rooms for inbound calls."""
        return f"{self.deployment}-in"

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Give all that should be there, trunk by trunk."""
        return [
            wanted
            for name, trunk in desired.trunks.items()
            for wanted in self._of_trunk(desired, name, trunk)
        ]

    def claims(self, kind: str, fields: Mapping[str, Value]) -> frozenset[str]:
        """Name what only one thing in LiveKit can have: the number of an inbound trunk."""
        if kind != INBOUND:
            return frozenset()
        return frozenset(
            f"number:{number}" for number in cast("tuple[str, ...]", fields["numbers"])
        )

    def _of_trunk(self, desired: Desired, name: str, trunk: Trunk) -> Iterator[Wanted]:
        numbers = desired.numbers_by_trunk[name]
        if trunk.outbound is not None:
            mark = desired.mark(name)
            yield self._outbound(mark, trunk, trunk.outbound, desired.address_of(name), numbers)
        inbound = inbound_trunk(desired, name, agent_name=self.agent_name)
        if inbound is not None:
            yield from self.of_inbound(inbound)

    def of_inbound(self, inbound: InboundTrunk) -> tuple[Wanted, Wanted]:
        """Give the trunk that calls come in by, and the rule that gives each of them an agent."""
        trunk = self._inbound(inbound)
        return trunk, self._rule(inbound, trunk.key)

    def _outbound(
        self,
        mark: str,
        trunk: Trunk,
        outbound: Outbound,
        address: str,
        numbers: Sequence[str],
    ) -> Wanted:
        fields: dict[str, Value] = {
            "address": address,
            "transport": trunk.transport,
            "destination_country": outbound.destination_country or "",
            "username": outbound.username or "",
            "password": _open(outbound.password),
            "numbers": tuple(sorted(numbers)),
            "headers": dict(outbound.headers),
            "encryption": trunk.encryption,
            "codecs": tuple(outbound.codecs),
        }
        return Wanted(
            key=Key(self.place, OUTBOUND, mark),
            fields=fields,
            secrets=_PASSWORD,
            explain=f"dial through {address}",
        )

    def _inbound(self, inbound: InboundTrunk) -> Wanted:
        fields: dict[str, Value] = {
            "numbers": inbound.numbers,
            "allowed_addresses": inbound.allowed_addresses,
            "only_callers": (),
            "username": inbound.username,
            "password": inbound.password,
            "attributes_from_headers": dict(_ATTRIBUTES),
            "longest_call_seconds": int(self.longest_call.total_seconds()),
            "encryption": inbound.encryption,
            "codecs": (),
        }
        return Wanted(
            key=Key(self.place, INBOUND, self._mark(inbound)),
            fields=fields,
            secrets=_PASSWORD,
            explain=f"take calls to {len(inbound.numbers)} numbers",
            claims=self.claims(INBOUND, fields),
        )

    def _mark(self, inbound: InboundTrunk) -> str:
        return f"{self.deployment}/{inbound.name}"

    def _rule(self, inbound: InboundTrunk, trunk: Key) -> Wanted:
        fields: dict[str, Value] = {
            "rooms": "individual",
            "room_prefix": self.room_prefix,
            "pin": "",
            "random_rooms": True,
            "hide_numbers": True,
            "only_callers": (),
            "only_called": (),
            "agents": (inbound.agent_name,),
        }
        return Wanted(
            key=Key(self.place, RULE, self._mark(inbound)),
            fields=fields,
            secrets=frozenset({"pin"}),
            refs={"trunk": trunk},
            explain=f"give each caller a room with {inbound.agent_name}",
        )


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
