"""The one outbound trunk in a real LiveKit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
import pytest_asyncio
from livekit import api
from livekit.protocol.sip import SIPMediaEncryption, SIPOutboundTrunkInfo, SIPTransport

from dialer.adapters.livekit_session import LiveKitSession
from dialer.adapters.livekit_trunk import LiveKitTrunks
from dialer.calls.trunk import WantedTrunk
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers

WANTED = WantedTrunk(
    "contract-outbound",
    "127.0.0.1:5070",
    "udp",
    ("+14155550198", "+14155550199"),
    "user",
    "secret",
)


@pytest_asyncio.fixture
async def session(media: MediaServers) -> AsyncGenerator[LiveKitSession]:
    """Give a client of a LiveKit without trunks."""
    made = LiveKitSession(url=media.livekit_url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
    for trunk in await _all(made):
        await made.client.sip.delete_trunk(
            api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id)
        )
    yield made
    await made.close()


async def _all(session: LiveKitSession) -> list[SIPOutboundTrunkInfo]:
    listed = await session.client.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
    return list(listed.items)


async def test_it_is_made_as_the_settings_want_it(session: LiveKitSession) -> None:
    trunk_id = await LiveKitTrunks(session).ensure(WANTED)
    (made,) = await _all(session)
    assert made.sip_trunk_id == trunk_id
    assert made.address == "127.0.0.1:5070"
    assert made.transport == SIPTransport.SIP_TRANSPORT_UDP
    assert list(made.numbers) == list(WANTED.numbers)
    assert (made.auth_username, made.auth_password) == ("user", "secret")
    assert made.media_encryption == SIPMediaEncryption.SIP_MEDIA_ENCRYPT_DISABLE


async def test_media_encryption_follows_the_settings_both_ways(session: LiveKitSession) -> None:
    trunks = LiveKitTrunks(session)
    seen: list[str] = []
    for level in ("require", "allow", "disable", "require"):
        await trunks.ensure(replace(WANTED, media_encryption=level))
        (made,) = await _all(session)
        seen.append(SIPMediaEncryption.Name(made.media_encryption))
    assert [name.rpartition("_")[2] for name in seen] == ["REQUIRE", "ALLOW", "DISABLE", "REQUIRE"]


async def test_asking_again_makes_no_second_one(session: LiveKitSession) -> None:
    trunks = LiveKitTrunks(session)
    assert len({await trunks.ensure(WANTED) for _ in range(3)}) == 1
    assert len(await _all(session)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"address": "127.0.0.1:5080"},
        {"transport": "tcp"},
        {"numbers": ("+14155550197",)},
        {"username": "other", "password": "changed"},
    ],
)
async def test_a_change_of_the_settings_changes_the_trunk_in_place(
    session: LiveKitSession, change: dict[str, object]
) -> None:
    trunks = LiveKitTrunks(session)
    before = await trunks.ensure(WANTED)
    wanted = replace(WANTED, **change)  # type: ignore[arg-type]
    assert await trunks.ensure(wanted) == before
    (made,) = await _all(session)
    assert made.address == wanted.address
    assert list(made.numbers) == list(wanted.numbers)
    assert (made.auth_username, made.auth_password) == (wanted.username, wanted.password)


async def test_several_dialers_that_start_at_once_end_up_with_one(session: LiveKitSession) -> None:
    trunks = LiveKitTrunks(session)
    await asyncio.gather(*(trunks.ensure(WANTED) for _ in range(4)))
    await trunks.ensure(WANTED)
    assert len(await _all(session)) == 1


async def test_trunks_of_others_are_left_alone(session: LiveKitSession) -> None:
    other = SIPOutboundTrunkInfo(name="other", address="127.0.0.1:5090", numbers=["+14155550111"])
    await session.client.sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=other))
    await LiveKitTrunks(session).ensure(WANTED)
    assert {trunk.name for trunk in await _all(session)} == {"other", "contract-outbound"}
