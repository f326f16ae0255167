"""Trunks and rules in a LiveKit: made of trunks.yaml, and looked at as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livekit import api
from livekit.protocol.sip import (
    SIPDispatchRuleInfo,
    SIPInboundTrunkInfo,
    SIPOutboundTrunkInfo,
)
from pydantic import SecretStr

from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers
from tests.kit.trunk_files import desired
from trunks.desired import LiveKit
from trunks.livekit_sip import LiveKitSip
from trunks.resources import Found, Key, Wanted


def adapter(media: MediaServers, deployment: str = "acme", **given: Any) -> LiveKitSip:
    """Make the adapter for these servers, or as given."""
    with_ = {"url": media.livekit_url, "api_key": LIVEKIT_KEY, "api_secret": LIVEKIT_SECRET}
    with_ |= given
    secret = SecretStr(with_.pop("api_secret"))
    return LiveKitSip(livekit=LiveKit(**with_, api_secret=secret), deployment=deployment)


async def emptied(by_hand: api.LiveKitAPI) -> None:
    """Take away all trunks and rules."""
    outbound, inbound, rules = await everything(by_hand)
    for trunk in (*outbound, *inbound):
        await by_hand.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id))
    for rule in rules:
        await by_hand.sip.delete_dispatch_rule(
            api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
        )


async def everything(
    by_hand: api.LiveKitAPI,
) -> tuple[list[SIPOutboundTrunkInfo], list[SIPInboundTrunkInfo], list[SIPDispatchRuleInfo]]:
    """List both kinds of trunks, and the rules."""
    outbound = await by_hand.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
    inbound = await by_hand.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
    rules = await by_hand.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
    return list(outbound.items), list(inbound.items), list(rules.items)


async def applied(livekit: LiveKitSip, *changes: tuple[str, Any]) -> Sequence[Wanted]:
    """Make what is wanted, things that exist in place."""
    wanted = livekit.wanted(desired(*changes))
    there = {found.key: found for found in await livekit.found() if found.key}
    ids = {key: found.id for key, found in there.items()}
    for thing in wanted:
        if thing.key in there:
            found = await livekit.update(there[thing.key], thing, ids)
        else:
            found = await livekit.create(thing, ids)
        assert found.key == thing.key
        ids[thing.key] = found.id
    return wanted


async def ours(livekit: LiveKitSip) -> dict[Key, Found]:
    """Find what is ours."""
    return {found.key: found for found in await livekit.found() if found.key}


async def differences(livekit: LiveKitSip, wanted: Sequence[Wanted]) -> list[str]:
    """Name every field in which what is there is not as wanted."""
    there = await ours(livekit)
    missing = [str(thing.key) for thing in wanted if thing.key not in there]
    extra = [str(key) for key in there if key not in {thing.key for thing in wanted}]
    fields = [
        f"{thing.key.kind}.{name}"
        for thing in wanted
        if thing.key in there
        for name, value in thing.fields.items()
        if there[thing.key].fields.get(name) != value
    ]
    refs = [
        f"{thing.key.kind}.{name}"
        for thing in wanted
        if thing.key in there
        for name, key in thing.refs.items()
        if there[thing.key].refs.get(name) != there[key].id
    ]
    return [*missing, *extra, *fields, *refs]
