"""The outbound trunks in a real LiveKit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from livekit import api
from livekit.api.twirp_client import TwirpClient
from livekit.protocol.sip import (
    SIPCodec,
    SIPMediaEncryption,
    SIPOutboundTrunkInfo,
    SIPTransport,
)

from dialer.adapters.livekit_session import LiveKitSession
from dialer.adapters.livekit_trunk import LiveKitTrunks
from dialer.routing.trunk import Trunk
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers
from tests.kit.trunks import trunk

WANTED = trunk(
    livekit_name="contract-outbound",
    numbers=("+14155550198", "+14155550199"),
    username="user",
    password="secret",
)
SECOND = trunk("second", livekit_name="contract/second", address="127.0.0.1:5090")


@pytest_asyncio.fixture
async def session(media: MediaServers) -> AsyncGenerator[LiveKitSession]:
    """Give a client of a LiveKit without trunks."""
    made = LiveKitSession(url=media.livekit_url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
    for listed in await _all(made):
        await made.client.sip.delete_trunk(
            api.DeleteSIPTrunkRequest(sip_trunk_id=listed.sip_trunk_id)
        )
    yield made
    await made.close()


async def _all(session: LiveKitSession) -> list[SIPOutboundTrunkInfo]:
    listed = await session.client.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
    return list(listed.items)


def _codecs(made: SIPOutboundTrunkInfo) -> list[str]:
    return [codec.name for codec in made.media.codecs if made.media.only_listed_codecs]


async def _one(trunks: LiveKitTrunks, wanted: Trunk) -> str:
    return (await trunks.ensure([wanted]))[wanted.name]


async def test_it_is_made_as_it_is_wanted(session: LiveKitSession) -> None:
    wanted = replace(
        WANTED,
        headers={"X-Team": "sales"},
        destination_country="US",
        encryption="allow",
        codecs=("PCMA", "PCMU"),
    )
    trunk_id = await _one(LiveKitTrunks(session), wanted)
    (made,) = await _all(session)
    assert made.sip_trunk_id == trunk_id
    assert made.address == "127.0.0.1:5070"
    assert made.transport == SIPTransport.SIP_TRANSPORT_UDP
    assert list(made.numbers) == list(WANTED.numbers)
    assert (made.auth_username, made.auth_password) == ("user", "secret")
    assert (dict(made.headers), made.destination_country) == ({"X-Team": "sales"}, "US")
    assert made.media_encryption == SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW
    assert made.media.encryption == SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW
    assert _codecs(made) == ["PCMA", "PCMU"]


async def test_asking_again_makes_no_second_one_and_changes_nothing(
    session: LiveKitSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunks = LiveKitTrunks(session)
    wanted = [replace(WANTED, encryption="require", codecs=("PCMU",)), SECOND]
    first, request = await trunks.ensure(wanted), TwirpClient.request
    asked: list[str] = []

    async def noted(self: TwirpClient, service: str, method: str, *rest: Any, **more: Any) -> Any:
        asked.append(method)
        return await request(self, service, method, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(TwirpClient, "request", noted)
        assert [await trunks.ensure(wanted) for _ in range(2)] == [first, first]
    assert asked == ["ListSIPOutboundTrunk"] * 2
    listed = await _all(session)
    assert len(listed) == 2
    assert {made.sip_trunk_id for made in listed} == set(first.values())


@pytest.mark.parametrize(
    "change",
    [
        {"address": "127.0.0.1:5080"},
        {"transport": "tcp"},
        {"numbers": ("+14155550197",)},
        {"username": "other", "password": "changed"},
        {"headers": {"X-Other": "1"}},
        {"destination_country": "CA"},
        {"encryption": "require"},
        {"codecs": ("PCMA",)},
    ],
)
async def test_a_wish_that_changes_changes_the_trunk_in_place(
    session: LiveKitSession, change: dict[str, Any]
) -> None:
    trunks = LiveKitTrunks(session)
    was = replace(WANTED, headers={"X-Team": "sales"}, codecs=("PCMU", "PCMA"))
    before = await _one(trunks, was)
    wanted = replace(WANTED, **{"codecs": was.codecs, **change})
    assert await _one(trunks, wanted) == before
    (made,) = await _all(session)
    assert (made.address, list(made.numbers)) == (wanted.address, list(wanted.numbers))
    assert (made.auth_username, made.auth_password) == (wanted.username, wanted.password)
    assert dict(made.headers) == wanted.headers
    assert made.destination_country == wanted.destination_country
    assert _codecs(made) == list(wanted.codecs)


async def test_what_somebody_else_wrote_into_a_trunk_of_ours_is_kept(
    session: LiveKitSession,
) -> None:
    trunks = LiveKitTrunks(session)
    trunk_id = await _one(trunks, WANTED)
    (made,) = await _all(session)
    made.metadata = '{"made_by": "telephony"}'
    made.media.codecs.append(SIPCodec(name="PCMA"))
    made.media.only_listed_codecs = True
    await session.client.sip.update_outbound_trunk(trunk_id, made)
    await _one(trunks, replace(WANTED, address="127.0.0.1:5080"))
    (made,) = await _all(session)
    assert (made.metadata, made.address) == ('{"made_by": "telephony"}', "127.0.0.1:5080")
    assert _codecs(made) == ["PCMA"], "without a wish of ours they stay"


async def test_several_dialers_that_start_at_once_end_up_with_one(session: LiveKitSession) -> None:
    trunks = LiveKitTrunks(session)
    await asyncio.gather(*(trunks.ensure([WANTED]) for _ in range(4)))
    await trunks.ensure([WANTED])
    assert len(await _all(session)) == 1


async def test_trunks_of_others_are_left_alone(session: LiveKitSession) -> None:
    other = SIPOutboundTrunkInfo(name="other", address="127.0.0.1:5090", numbers=["+14155550111"])
    await session.client.sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=other))
    await LiveKitTrunks(session).ensure([WANTED])
    assert {made.name for made in await _all(session)} == {"other", "contract-outbound"}


async def test_a_trunk_that_livekit_does_not_take_keeps_no_other_from_being_made(
    session: LiveKitSession,
) -> None:
    impossible = trunk("impossible", address="sip:example.net")
    ids = await LiveKitTrunks(session).ensure([impossible, WANTED])
    assert set(ids) == {WANTED.name}
    assert [made.name for made in await _all(session)] == ["contract-outbound"]
