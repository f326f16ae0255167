"""Trunks and dispatch rules in LiveKit: the only file of ``trunks`` that knows its SDK.

What LiveKit makes of them decides who may ring, so a few things are never left to it:

- A rule without trunks takes any INVITE, from anywhere (``MatchDispatchRuleIter``): ours name one.
- ``allowed_addresses`` skips an entry that it cannot read, and with none left it lets everybody in
  (``filterInvalidAddrMasks``, ``matchAddrMasks``): ours are networks, one to an entry. Even then an
  entry is also met by a From header with just that host, so a firewall has to stand in front of it.
- An individual rule names the room and the participant after the caller's number unless it is told
  to hide it (``EvaluateDispatchRule``): ours hides it, and the worker reads the two headers.
- ``inbound_numbers`` of a rule and ``allowed_numbers`` of a trunk filter the *caller*: ours have
  none.

Source: livekit-api 1.x, ``livekit/api/sip_service.py`` (where ``create_sip_outbound_trunk`` and the
like are deprecated for ``create_outbound_trunk``); livekit-server 1.13.5, ``pkg/service/sip.go``;
github.com/livekit/protocol 1.50, ``sip/sip.go`` and ``livekit/sip.go``.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import aiohttp
from google.protobuf.duration_pb2 import Duration
from livekit import api
from livekit.api.sip_service import SipService
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.sip import (
    SIPCodec,
    SIPDispatchRuleInfo,
    SIPInboundTrunkInfo,
    SIPMediaConfig,
    SIPMediaEncryption,
    SIPOutboundTrunkInfo,
    SIPTransport,
)

from trunks.errors import TrunkError
from trunks.livekit_wanted import INBOUND, OUTBOUND, RULE, LiveKitWishes
from trunks.resources import Complaint, Found, Key, Value, Wanted

if TYPE_CHECKING:
    from trunks.desired import Desired, LiveKit

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
_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
_CHECK_KEYS = "Check LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."
_MADE_BY = "telephony"

_Info = SIPOutboundTrunkInfo | SIPInboundTrunkInfo | SIPDispatchRuleInfo


class LiveKitSip:
    """The adapter for one LiveKit."""

    def __init__(self, *, livekit: LiveKit, deployment: str, agent_name: str = "telephony") -> None:
        self._livekit = livekit
        self._wishes = LiveKitWishes(deployment, agent_name)
        self._session: aiohttp.ClientSession | None = None
        self._client: api.LiveKitAPI | None = None
        #: As last listed: an update starts from it, so that what is not ours to set stays.
        self._listed: dict[str, _Info] = {}

    @property
    def place(self) -> str:
        """Name the place."""
        return self._wishes.place

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Say what the file wants in LiveKit."""
        return self._wishes.wanted(desired)

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Find nothing: what LiveKit would take and do something else with, the file cannot say."""
        return ()

    async def found(self) -> Sequence[Found]:
        """List both kinds of trunks and the rules, each with one request."""
        sip = self._sip
        async with _translated():
            outbound = await sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
            inbound = await sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
            rules = await sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
        self._listed.clear()
        infos: list[_Info] = [*outbound.items, *inbound.items, *rules.items]
        # Of two that carry one mark, the older is the one to keep.
        infos.sort(key=lambda info: (info.created_at.ToNanoseconds(), _id(info)))
        return [self._told(info) for info in infos]

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make a trunk or a rule."""
        sip = self._sip
        info = self._composed(wanted, ids, None)
        async with _translated():
            if isinstance(info, SIPOutboundTrunkInfo):
                request = api.CreateSIPOutboundTrunkRequest(trunk=info)
                return self._told(await sip.create_outbound_trunk(request))
            if isinstance(info, SIPInboundTrunkInfo):
                return self._told(
                    await sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))
                )
            return self._told(
                await sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=info))
            )

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Replace a trunk or a rule in place; what the file does not speak of stays as it is."""
        sip = self._sip
        info = self._composed(wanted, ids, self._listed.get(found.id))
        async with _translated():
            if isinstance(info, SIPOutboundTrunkInfo):
                return self._told(await sip.update_outbound_trunk(found.id, info))
            if isinstance(info, SIPInboundTrunkInfo):
                return self._told(await sip.update_inbound_trunk(found.id, info))
            return self._told(await sip.update_dispatch_rule(found.id, info))

    async def delete(self, found: Found) -> None:
        """Remove a trunk or a rule."""
        sip = self._sip
        try:
            async with _translated():
                if found.kind == RULE:
                    await sip.delete_dispatch_rule(
                        api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=found.id)
                    )
                else:
                    await sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=found.id))
        except TrunkError as error:
            if error.code != "not_found":
                raise

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None and self._session is not None:
            # The client leaves a session that was given to it to its owner.
            await self._client.aclose()
            await self._session.close()
        self._client = self._session = None

    @property
    def _sip(self) -> SipService:
        if self._client is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
            self._client = api.LiveKitAPI(
                self._livekit.url,
                self._livekit.api_key,
                self._livekit.api_secret.get_secret_value(),
                session=self._session,
                # A request that was sent again elsewhere would make a thing twice.
                failover=False,
            )
        return self._client.sip

    def _composed(self, wanted: Wanted, ids: Mapping[Key, str], base: _Info | None) -> _Info:
        mark = {"made_by": _MADE_BY, "deployment": self._wishes.deployment}
        info = _MAKERS[wanted.key.kind](wanted, ids, base)
        info.name = wanted.key.name
        info.metadata = json.dumps(mark, sort_keys=True)
        return info

    def _told(self, info: _Info) -> Found:
        kind, fields, refs = _read(info)
        self._listed[_id(info)] = info
        return Found(
            key=Key(self.place, kind, info.name) if self._is_ours(info) else None,
            id=_id(info),
            fields=fields,
            refs=refs,
            label=info.name,
            kind=kind,
            claims=self._wishes.claims(kind, fields),
        )

    def _is_ours(self, info: _Info) -> bool:
        """Want both marks: a thing that somebody made by hand and named alike is not ours."""
        if not info.name.startswith(f"{self._wishes.deployment}/"):
            return False
        try:
            mark = json.loads(info.metadata or "{}")
        except ValueError:
            return False
        return mark == {"made_by": _MADE_BY, "deployment": self._wishes.deployment}


def _id(info: _Info) -> str:
    if isinstance(info, SIPDispatchRuleInfo):
        return info.sip_dispatch_rule_id
    return info.sip_trunk_id


# What is wanted -> LiveKit's message.


def _outbound(wanted: Wanted, ids: Mapping[Key, str], base: _Info | None) -> SIPOutboundTrunkInfo:
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


def _inbound(wanted: Wanted, ids: Mapping[Key, str], base: _Info | None) -> SIPInboundTrunkInfo:
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


def _rule(wanted: Wanted, ids: Mapping[Key, str], base: _Info | None) -> SIPDispatchRuleInfo:
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


_MAKERS = {OUTBOUND: _outbound, INBOUND: _inbound, RULE: _rule}


def _put_media(
    info: SIPOutboundTrunkInfo | SIPInboundTrunkInfo, fields: Mapping[str, Value]
) -> None:
    encryption = _ENCRYPTIONS[_text(fields, "encryption")]
    codecs = _texts(fields, "codecs")
    info.media.encryption = encryption
    # The same in its old place, which older servers read.
    info.media_encryption = encryption
    del info.media.codecs[:]
    info.media.codecs.extend(SIPCodec(name=name) for name in codecs)
    info.media.only_listed_codecs = bool(codecs)


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


def _read(info: _Info) -> tuple[str, dict[str, Value], dict[str, str]]:
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
    codecs = tuple(codec.name for codec in media.codecs) if media.only_listed_codecs else ()
    return {"encryption": _named(_ENCRYPTIONS, encryption), "codecs": codecs}


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


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    """Turn what the client raises into a TrunkError."""
    try:
        yield
    except api.ServerError as error:
        raise _refusal(error) from error
    except TimeoutError as error:
        raise TrunkError("timeout", "LiveKit did not answer in time.", retryable=True) from error
    except (aiohttp.ClientError, OSError) as error:
        raise TrunkError(
            "unreachable", "LiveKit cannot be reached.", _CHECK_KEYS, retryable=True
        ) from error


#: What livekit-server says of things that get in each other's way -> code, and what to do.
_IN_THE_WAY = {
    "Conflicting inbound SIP Trunks": (
        "number_taken",
        "Another inbound trunk has the number: remove it there, or import that trunk.",
    ),
    "already exists in dispatch rule": ("conflict", "Remove that rule, or import it."),
}
#: Status -> code, what happened, and what to do.
_REFUSALS = {
    401: ("credentials_refused", "LiveKit does not take the key.", _CHECK_KEYS),
    403: ("not_permitted", "The key may not change trunks.", _CHECK_KEYS),
    404: ("not_found", "LiveKit lost it.", "Run the command again: it lists anew what is there."),
}


def _refusal(error: api.ServerError) -> TrunkError:
    if error.status == 429 or error.status >= 500:
        code = "rate_limited" if error.status == 429 else "carrier_error"
        return TrunkError(code, f"LiveKit failed: {error.message}.", retryable=True)
    if error.status in _REFUSALS:
        return TrunkError(*_REFUSALS[error.status])
    for words, (code, fix) in _IN_THE_WAY.items():
        if words in error.message:
            return TrunkError(code, f"LiveKit says: {error.message}.", fix)
    return TrunkError("refused", f"LiveKit says: {error.message}.", "Change trunks.yaml.")
