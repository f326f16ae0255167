"""LiveKit's messages about trunks and rules: made of what is wanted, and read."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import cast

from google.protobuf.duration_pb2 import Duration
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.sip import (
    SIPDispatchRuleInfo,
    SIPInboundTrunkInfo,
    SIPMediaConfig,
    SIPMediaEncryption,
    SIPOutboundTrunkInfo,
    SIPTransport,
)

from trunks.errors import TrunkError
from trunks.livekit_wanted import INBOUND, OUTBOUND, RULE, offer_codecs, offered_codecs
from trunks.resources import Key, Value, Wanted

_TRANSPORTS = {
    "auto": SIPTransport.SIP_TRANSPORT_AUTO,
    "udp": SIPTransport.SIP_TRANSPORT_UDP,
    "tcp": SIPTransport.SIP_TRANSPORT_TCP,
    "tls": SIPTransport.SIP_TRANSPORT_TLS,
}
_ENCRYPTIONS = {
    "disable": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE,
    "allow": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW,
    "require": SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE,
}
Info = SIPOutboundTrunkInfo | SIPInboundTrunkInfo | SIPDispatchRuleInfo


def id_of(info: Info) -> str:
    """Give the id that LiveKit gave it."""
    if isinstance(info, SIPDispatchRuleInfo):
        return info.sip_dispatch_rule_id
    return info.sip_trunk_id


# What is wanted -> LiveKit's message.


def _outbound(wanted: Wanted, ids: Mapping[Key, str], base: Info | None) -> SIPOutboundTrunkInfo:
    info = SIPOutboundTrunkInfo()
    if isinstance(base, SIPOutboundTrunkInfo):
        info.CopyFrom(base)
    fields = wanted.fields
    info.address = _text(fields, "address")
    info.transport = _TRANSPORTS[_text(fields, "transport")]
    info.destination_country = _text(fields, "destination_country")
    info.auth_username = _text(fields, "username")
    info.auth_password = _text(fields, "password")
    info.numbers[:] = _texts(fields, "numbers")
    info.headers.clear()
    info.headers.update(_map(fields, "headers"))
    _put_media(info, fields)
    return info


def _inbound(wanted: Wanted, ids: Mapping[Key, str], base: Info | None) -> SIPInboundTrunkInfo:
    info = SIPInboundTrunkInfo()
    if isinstance(base, SIPInboundTrunkInfo):
        info.CopyFrom(base)
    fields = wanted.fields
    info.numbers[:] = _texts(fields, "numbers")
    info.allowed_addresses[:] = [_network(entry) for entry in _texts(fields, "allowed_addresses")]
    info.allowed_numbers[:] = _texts(fields, "only_callers")
    info.auth_username = _text(fields, "username")
    info.auth_password = _text(fields, "password")
    info.headers_to_attributes.clear()
    info.headers_to_attributes.update(_map(fields, "attributes_from_headers"))
    info.max_call_duration.CopyFrom(Duration(seconds=cast(int, fields["longest_call_seconds"])))
    # With one of the two the bridge asks for neither (livekit-sip 1.8.0, ``handleInviteAuth``).
    if not info.allowed_addresses and not (info.auth_username and info.auth_password):
        raise TrunkError(
            "refused",
            "An inbound trunk with neither addresses nor a password lets everybody call.",
            "Give it allowed_addresses, or username and password.",
        )
    _put_media(info, fields)
    return info


def _rule(wanted: Wanted, ids: Mapping[Key, str], base: Info | None) -> SIPDispatchRuleInfo:
    if "trunk" not in wanted.refs:
        raise TrunkError(
            "refused",
            "A dispatch rule without a trunk takes calls from anywhere.",
            "Name the inbound trunk that it is for.",
        )
    info = SIPDispatchRuleInfo()
    if isinstance(base, SIPDispatchRuleInfo):
        info.CopyFrom(base)
    fields = wanted.fields
    info.trunk_ids[:] = [ids[wanted.refs["trunk"]]]
    info.rule.Clear()
    info.rule.dispatch_rule_individual.room_prefix = _text(fields, "room_prefix")
    info.rule.dispatch_rule_individual.pin = _text(fields, "pin")
    info.rule.dispatch_rule_individual.no_randomness = not fields["random_rooms"]
    info.hide_phone_number = bool(fields["hide_numbers"])
    info.inbound_numbers[:] = _texts(fields, "only_callers")
    info.numbers[:] = _texts(fields, "only_called")
    del info.room_config.agents[:]
    info.room_config.agents.extend(
        RoomAgentDispatch(agent_name=name) for name in _texts(fields, "agents")
    )
    return info


#: By kind: makes the message, from the one that is there where there is one.
MAKERS = {OUTBOUND: _outbound, INBOUND: _inbound, RULE: _rule}


def _put_media(
    info: SIPOutboundTrunkInfo | SIPInboundTrunkInfo, fields: Mapping[str, Value]
) -> None:
    encryption = _ENCRYPTIONS[_text(fields, "encryption")]
    codecs = _texts(fields, "codecs")
    info.media.encryption = encryption
    # The same in its old place, which older servers read.
    info.media_encryption = encryption
    offer_codecs(info.media, codecs)


def _network(entry: str) -> str:
    try:
        return str(ipaddress.ip_network(entry))
    except ValueError:
        raise TrunkError(
            "refused",
            f"{entry!r} is no network, and LiveKit would let everybody in.",
            "Write one network to an entry, as 203.0.113.0/24.",
        ) from None


def _text(fields: Mapping[str, Value], name: str) -> str:
    return cast(str, fields.get(name) or "")


def _texts(fields: Mapping[str, Value], name: str) -> list[str]:
    return list(cast("tuple[str, ...]", fields.get(name) or ()))


def _map(fields: Mapping[str, Value], name: str) -> dict[str, str]:
    return dict(cast("Mapping[str, str]", fields.get(name) or {}))


# LiveKit's message -> what there is.


def read(info: Info) -> tuple[str, dict[str, Value], dict[str, str]]:
    """Give kind, fields and references of what there is."""
    if isinstance(info, SIPOutboundTrunkInfo):
        return OUTBOUND, _read_outbound(info), {}
    if isinstance(info, SIPInboundTrunkInfo):
        return INBOUND, _read_inbound(info), {}
    # A rule of several trunks, or of none, differs from every rule of ours.
    return RULE, _read_rule(info), {"trunk": ",".join(sorted(info.trunk_ids))}


def _read_outbound(info: SIPOutboundTrunkInfo) -> dict[str, Value]:
    return {
        "address": info.address,
        "transport": _named(_TRANSPORTS, info.transport),
        "destination_country": info.destination_country,
        "username": info.auth_username,
        "password": info.auth_password,
        "numbers": tuple(sorted(info.numbers)),
        "headers": dict(info.headers),
        **_read_media(info.media, info.media_encryption),
    }


def _read_inbound(info: SIPInboundTrunkInfo) -> dict[str, Value]:
    return {
        "numbers": tuple(sorted(info.numbers)),
        "allowed_addresses": tuple(sorted(info.allowed_addresses)),
        "only_callers": tuple(sorted(info.allowed_numbers)),
        "username": info.auth_username,
        "password": info.auth_password,
        "attributes_from_headers": dict(info.headers_to_attributes),
        "longest_call_seconds": info.max_call_duration.seconds,
        **_read_media(info.media, info.media_encryption),
    }


def _read_media(media: SIPMediaConfig, encryption: SIPMediaEncryption) -> dict[str, Value]:
    if media.HasField("encryption"):
        encryption = media.encryption
    return {"encryption": _named(_ENCRYPTIONS, encryption), "codecs": offered_codecs(media)}


def _read_rule(info: SIPDispatchRuleInfo) -> dict[str, Value]:
    individual = info.rule.dispatch_rule_individual
    kind = info.rule.WhichOneof("rule") or ""
    return {
        "rooms": kind.removeprefix("dispatch_rule_"),
        "room_prefix": individual.room_prefix,
        "pin": individual.pin,
        "random_rooms": not individual.no_randomness,
        "hide_numbers": info.hide_phone_number,
        "only_callers": tuple(sorted(info.inbound_numbers)),
        "only_called": tuple(sorted(info.numbers)),
        "agents": tuple(agent.agent_name for agent in info.room_config.agents),
    }


def _named(names: Mapping[str, int], value: int) -> str:
    return next((name for name, known in names.items() if known == value), str(value))
