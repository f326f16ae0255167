"""What the dialer keeps of calls that come in, in a real LiveKit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from livekit import api
from livekit.protocol.sip import SIPDispatchRuleInfo, SIPInboundTrunkInfo

from dialer.adapters.livekit_inbound import LiveKitInboundTrunks
from telephony.errors import Unavailable
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers, free_port
from tests.kit.trunks import inbound_trunk
from trunks.livekit_wanted import metadata_mark

MAIN = inbound_trunk("main")
SECOND = inbound_trunk(
    "second",
    numbers=("+14155550191",),
    allowed_addresses=(),
    username="pbx",
    password="a-password-of-the-tests",
)


@dataclass
class LiveKit:
    """A LiveKit, as who looks at it by hand sees it."""

    client: api.LiveKitAPI

    async def trunks(self) -> list[SIPInboundTrunkInfo]:
        """List the inbound trunks, by name."""
        listed = await self.client.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
        return sorted(listed.items, key=lambda info: info.name)

    async def rules(self) -> list[SIPDispatchRuleInfo]:
        """List the rules, by name."""
        listed = await self.client.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
        return sorted(listed.items, key=lambda info: info.name)

    async def ids(self) -> list[tuple[str, str]]:
        """Give each trunk's id, and the id of the rule that names it."""
        rules = {rule.trunk_ids[0]: rule.sip_dispatch_rule_id for rule in await self.rules()}
        trunks = [trunk.sip_trunk_id for trunk in await self.trunks()]
        assert sorted(rules) == sorted(trunks)
        return [(trunk, rules[trunk]) for trunk in trunks]

    async def forget(self) -> None:
        """Lose everything."""
        for rule in await self.rules():
            rule_gone = api.DeleteSIPDispatchRuleRequest(
                sip_dispatch_rule_id=rule.sip_dispatch_rule_id
            )
            await self.client.sip.delete_dispatch_rule(rule_gone)
        for trunk in await self.trunks():
            gone = api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id)
            await self.client.sip.delete_trunk(gone)


@pytest_asyncio.fixture
async def livekit(media: MediaServers) -> AsyncGenerator[LiveKit]:
    """Give a LiveKit that knows of no calls that come in."""
    made = LiveKit(api.LiveKitAPI(media.livekit_url, LIVEKIT_KEY, LIVEKIT_SECRET))
    await made.forget()
    yield made
    await made.forget()
    await made.client.aclose()


@pytest_asyncio.fixture
async def ours(media: MediaServers) -> AsyncGenerator[LiveKitInboundTrunks]:
    made = adapter(media.livekit_url)
    yield made
    await made.close()


def adapter(url: str) -> LiveKitInboundTrunks:
    return LiveKitInboundTrunks(
        url=url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET, deployment="acme"
    )


async def test_each_has_its_trunk_and_its_rule_and_asking_again_changes_nothing(
    livekit: LiveKit, ours: LiveKitInboundTrunks
) -> None:
    await ours.ensure([MAIN, SECOND])
    before = await livekit.ids()
    main, second = await livekit.trunks()
    assert (main.name, list(main.numbers)) == ("acme/main", ["+14155550190"])
    assert list(main.allowed_addresses) == ["203.0.113.0/24"]
    assert (second.auth_username, second.auth_password) == ("pbx", "a-password-of-the-tests")
    for rule in await livekit.rules():
        assert rule.rule.dispatch_rule_individual.room_prefix == "acme-in"
        assert [agent.agent_name for agent in rule.room_config.agents] == ["telephony"]
        assert rule.hide_phone_number
    await ours.ensure([MAIN, SECOND])
    assert await livekit.ids() == before


async def test_what_livekit_forgot_is_back_at_the_next_look(
    livekit: LiveKit, ours: LiveKitInboundTrunks
) -> None:
    await ours.ensure([MAIN, SECOND])
    await livekit.forget()
    await ours.ensure([MAIN, SECOND])
    assert len(await livekit.ids()) == 2
    # A rule alone can be lost, too.
    rule = (await livekit.rules())[0]
    lost = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
    await livekit.client.sip.delete_dispatch_rule(lost)
    await ours.ensure([MAIN, SECOND])
    assert len(await livekit.ids()) == 2


async def test_what_somebody_changed_is_mended(
    livekit: LiveKit, ours: LiveKitInboundTrunks
) -> None:
    await ours.ensure([MAIN])
    before = await livekit.ids()
    (trunk,), (rule,) = await livekit.trunks(), await livekit.rules()
    trunk.allowed_addresses[:] = ["203.0.113.0/24,198.51.100.0/24"]
    await livekit.client.sip.update_inbound_trunk(trunk.sip_trunk_id, trunk)
    rule.hide_phone_number = False
    await livekit.client.sip.update_dispatch_rule(rule.sip_dispatch_rule_id, rule)
    await ours.ensure([MAIN])
    assert await livekit.ids() == before
    (trunk,), (rule,) = await livekit.trunks(), await livekit.rules()
    assert list(trunk.allowed_addresses) == ["203.0.113.0/24"] and rule.hide_phone_number


async def test_what_a_file_has_just_made_and_what_others_made_is_left_alone(
    livekit: LiveKit, ours: LiveKitInboundTrunks
) -> None:
    marked = SIPInboundTrunkInfo(
        name="acme/new",
        numbers=["+14155550197"],
        allowed_addresses=["203.0.113.9/32"],
        metadata=metadata_mark("acme"),
    )
    theirs = SIPInboundTrunkInfo(name="theirs", numbers=["+14155550191"])
    for info in (marked, theirs):
        await livekit.client.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))
    # The second cannot be made, for its number is taken, and the first is made all the same.
    for _ in range(2):
        await ours.ensure([SECOND, MAIN])
    assert [trunk.name for trunk in await livekit.trunks()] == ["acme/main", "acme/new", "theirs"]
    assert [rule.name for rule in await livekit.rules()] == ["acme/main"]


async def test_two_dialers_that_look_at_once_leave_one_of_each(
    livekit: LiveKit, media: MediaServers, ours: LiveKitInboundTrunks
) -> None:
    other = adapter(media.livekit_url)
    try:
        await asyncio.gather(ours.ensure([MAIN, SECOND]), other.ensure([MAIN, SECOND]))
        for one in (ours, other, ours):
            await one.ensure([MAIN, SECOND])
        assert len(await livekit.ids()) == len(await livekit.rules()) == 2
    finally:
        await other.close()


async def test_a_livekit_that_is_away_is_told_so() -> None:
    nobody = adapter(f"ws://127.0.0.1:{free_port()}")
    try:
        with pytest.raises(Unavailable):
            await nobody.ensure([MAIN])
    finally:
        await nobody.close()
