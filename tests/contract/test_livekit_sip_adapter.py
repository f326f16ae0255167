"""Trunks and dispatch rules of trunks.yaml in a real LiveKit."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from livekit import api
from livekit.api.twirp_client import TwirpClient
from livekit.protocol.sip import (
    SIPInboundTrunkInfo,
    SIPMediaEncryption,
    SIPOutboundTrunkInfo,
)

from dialer.adapters.livekit_session import LiveKitSession
from dialer.adapters.livekit_trunk import LiveKitTrunks
from dialer.routing.from_file import RoutedTrunks
from dialer.routing.trunk import Trunk
from tests.kit.livekit_trunks import adapter, applied, differences, emptied, everything, ours
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers, free_port
from tests.kit.trunk_files import NUMBER, OTHER_NUMBER, PASSWORD, desired
from tests.kit.trunks import InMemoryTrunks
from trunks.apply import Outcome, apply
from trunks.errors import TrunkError
from trunks.kept import TRUNK
from trunks.livekit_sip import LiveKitSip
from trunks.livekit_wanted import INBOUND, OUTBOUND, RULE
from trunks.looking import planned
from trunks.patience import Patience
from trunks.resources import Wanted

CHANGES: list[tuple[str, Any]] = [
    ("trunks/main/address", "127.0.0.1:5080"),
    ("trunks/main/transport", "tls"),
    ("trunks/main/encryption", "require"),
    ("trunks/main/outbound/username", "another"),
    ("trunks/main/outbound/headers", {"X-Account": "other", "X-More": "1"}),
    ("trunks/main/outbound/destination_country", "DE"),
    ("trunks/main/outbound/codecs", ["PCMA"]),
    ("trunks/main/inbound/allowed_addresses", ["54.172.60.0/30", "54.244.51.0/30"]),
    (f"numbers/{OTHER_NUMBER}", {"trunk": "main", "inbound": {"agent": "receptionist"}}),
]


@pytest_asyncio.fixture
async def session(media: MediaServers) -> AsyncGenerator[api.LiveKitAPI]:
    """Give a client of a LiveKit without trunks and rules, to do by hand what others might do."""
    by_hand = api.LiveKitAPI(media.livekit_url, LIVEKIT_KEY, LIVEKIT_SECRET)
    await emptied(by_hand)
    yield by_hand
    await emptied(by_hand)
    await by_hand.aclose()


@pytest_asyncio.fixture
async def livekit(media: MediaServers, session: api.LiveKitAPI) -> AsyncGenerator[LiveKitSip]:
    made = adapter(media)
    yield made
    await made.aclose()


async def test_all_that_is_wanted_is_made_and_found_again(
    livekit: LiveKitSip, session: api.LiveKitAPI
) -> None:
    wanted = await applied(livekit)
    assert [thing.key.kind for thing in wanted] == [OUTBOUND, INBOUND, RULE]
    assert await differences(livekit, wanted) == []
    (outbound,), (inbound,), (rule,) = await everything(session)
    assert (outbound.address, list(outbound.numbers)) == ("127.0.0.1:5070", [NUMBER])
    assert (outbound.auth_username, outbound.auth_password) == ("acme", PASSWORD)
    assert dict(outbound.headers) == {"X-Account": "acme"}
    assert list(inbound.allowed_addresses) == ["54.172.60.0/30"]
    assert inbound.max_call_duration.seconds > 0
    assert list(rule.trunk_ids) == [inbound.sip_trunk_id]
    assert [agent.agent_name for agent in rule.room_config.agents] == ["telephony"]
    assert rule.rule.dispatch_rule_individual.room_prefix == "acme-in"
    assert rule.hide_phone_number


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0])
async def test_a_change_of_the_file_changes_things_in_place(
    livekit: LiveKitSip, change: tuple[str, Any]
) -> None:
    await applied(livekit)
    before = {key: found.id for key, found in (await ours(livekit)).items()}
    changed = livekit.wanted(desired(change))
    assert await differences(livekit, changed)
    await applied(livekit, change)
    assert await differences(livekit, changed) == []
    assert {key: found.id for key, found in (await ours(livekit)).items()} == before


async def test_what_somebody_changed_by_hand_is_seen_and_mended(
    livekit: LiveKitSip, session: api.LiveKitAPI
) -> None:
    wanted = await applied(livekit)
    (outbound,), (inbound,), (rule,) = await everything(session)
    outbound.auth_password = "changed in the dashboard"
    await session.sip.update_outbound_trunk(outbound.sip_trunk_id, outbound)
    inbound.allowed_addresses[:] = ["54.172.60.0/30,54.244.51.0/30"]
    inbound.allowed_numbers[:] = ["+14155550177"]
    await session.sip.update_inbound_trunk(inbound.sip_trunk_id, inbound)
    rule.trunk_ids[:] = []
    rule.hide_phone_number = False
    rule.rule.dispatch_rule_individual.pin = "1234"
    del rule.room_config.agents[:]
    await session.sip.update_dispatch_rule(rule.sip_dispatch_rule_id, rule)
    assert set(await differences(livekit, wanted)) == {
        "outbound_trunk.password",
        "inbound_trunk.allowed_addresses",
        "inbound_trunk.only_callers",
        "dispatch_rule.trunk",
        "dispatch_rule.hide_numbers",
        "dispatch_rule.pin",
        "dispatch_rule.agents",
    }
    await applied(livekit)
    assert await differences(livekit, wanted) == []


async def test_what_the_file_does_not_speak_of_stays(
    livekit: LiveKitSip, session: api.LiveKitAPI
) -> None:
    await applied(livekit)
    _, (inbound,), _ = await everything(session)
    inbound.krisp_enabled = True
    inbound.ringing_timeout.seconds = 17
    await session.sip.update_inbound_trunk(inbound.sip_trunk_id, inbound)
    await applied(livekit, ("trunks/main/encryption", "allow"))
    _, (after,), _ = await everything(session)
    assert after.media.encryption == SIPMediaEncryption.SIP_MEDIA_ENCRYPT_ALLOW
    assert after.krisp_enabled and after.ringing_timeout.seconds == 17


async def test_a_trunk_made_by_hand_is_not_ours_until_it_is_taken_over(
    livekit: LiveKitSip, session: api.LiveKitAPI
) -> None:
    by_hand = SIPOutboundTrunkInfo(name="acme/main", address="127.0.0.1:1", numbers=[NUMBER])
    request = api.CreateSIPOutboundTrunkRequest(trunk=by_hand)
    made = await session.sip.create_outbound_trunk(request)
    (found,) = await livekit.found()
    assert found.key is None and found.label == "acme/main" and found.kind == OUTBOUND
    wanted = livekit.wanted(desired(("trunks/main/inbound", None)))
    await livekit.update(found, wanted[0], {})
    assert await differences(livekit, wanted) == []
    assert (await ours(livekit))[wanted[0].key].id == made.sip_trunk_id


async def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(
    livekit: LiveKitSip, session: api.LiveKitAPI
) -> None:
    await applied(livekit)
    there = await ours(livekit)
    for found in (*there.values(), *there.values()):
        await livekit.delete(found)
    assert await everything(session) == ([], [], [])


async def test_two_deployments_in_one_livekit_leave_each_other_alone(
    livekit: LiveKitSip, media: MediaServers
) -> None:
    other = adapter(media, deployment="other")
    try:
        await applied(livekit)
        for thing in other.wanted(desired(("deployment", "other"), ("trunks/main/inbound", None))):
            await other.create(thing, {})
        assert {key.name for key in await ours(livekit)} == {"acme/main"}
        assert {key.name for key in await ours(other)} == {"other/main"}
        for found in (await ours(other)).values():
            await other.delete(found)
        assert len(await ours(livekit)) == 3
    finally:
        await other.aclose()


async def test_the_trunk_of_the_settings_is_nothing_of_the_file(
    livekit: LiveKitSip, media: MediaServers
) -> None:
    dialer = LiveKitSession(url=media.livekit_url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
    wanted = Trunk(
        name="outbound", livekit_name="acme-outbound", address="127.0.0.1:5070", numbers=(NUMBER,)
    )
    try:
        kept = (await LiveKitTrunks(dialer).ensure([wanted]))["outbound"]
        await applied(livekit)
        assert await LiveKitTrunks(dialer).ensure([wanted]) == {"outbound": kept}
        assert kept not in {found.id for found in (await ours(livekit)).values()}
        assert kept in {found.id for found in await livekit.found()}
    finally:
        await dialer.close()


async def test_a_number_of_another_trunk_is_told_as_taken(
    livekit: LiveKitSip, session: api.LiveKitAPI
) -> None:
    theirs = SIPInboundTrunkInfo(name="theirs", numbers=[NUMBER])
    await session.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=theirs))
    (found,) = await livekit.found()
    assert found.key is None and found.claims == {f"number:{NUMBER}"}
    with pytest.raises(TrunkError) as refused:
        await applied(livekit)
    assert refused.value.code == "number_taken" and not refused.value.retryable


async def test_a_trunk_that_would_let_everybody_in_is_never_sent(
    livekit: LiveKitSip, session: api.LiveKitAPI
) -> None:
    _, inbound, rule = livekit.wanted(desired())
    unreadable = {**inbound.fields, "allowed_addresses": ("54.172.60.0/30,54.244.51.0/30",)}
    open_to_all = {**inbound.fields, "allowed_addresses": ()}
    no_password = {**open_to_all, "username": "acme"}
    for fields in (unreadable, open_to_all, no_password):
        with pytest.raises(TrunkError, match="everybody"):
            await livekit.create(Wanted(inbound.key, fields), {})
    with pytest.raises(TrunkError, match="anywhere"):
        await livekit.create(Wanted(rule.key, rule.fields), {})
    assert await everything(session) == ([], [], [])


async def test_each_list_is_asked_for_once_however_many_trunks_there_are(
    livekit: LiveKitSip, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk: dict[str, Any] = {"carrier": "main", "address": "127.0.0.1:5070", "outbound": {}}
    many: list[tuple[str, Any]] = [(f"trunks/t{index}", trunk) for index in range(30)]
    many += [(f"numbers/+141555501{index:02}", {"trunk": f"t{index}"}) for index in range(1, 30)]
    many += [("numbers/+14155550140", {"trunk": "t0"})]
    await applied(livekit, *many)
    asked: list[str] = []
    request = TwirpClient.request

    async def counted(self: TwirpClient, service: str, method: str, *rest: Any, **more: Any) -> Any:
        asked.append(method)
        return await request(self, service, method, *rest, **more)

    monkeypatch.setattr(TwirpClient, "request", counted)
    assert len(await ours(livekit)) == 33
    assert sorted(asked) == ["ListSIPDispatchRule", "ListSIPInboundTrunk", "ListSIPOutboundTrunk"]


async def by_the_engine(livekit: LiveKitSip) -> list[str]:
    """Plan and apply as the command does; gives the kinds of what was changed."""
    at_once = Patience(sleep=_no_wait)
    plan = await planned(desired(), [livekit], patience=at_once)
    results = await apply(plan, [livekit], patience=at_once)
    assert all(result.outcome is Outcome.DONE for result in results), results
    return [result.step.key.kind for result in results]


async def _no_wait(_: float) -> None:
    return None


async def test_a_livekit_that_was_emptied_gets_everything_back_and_then_nothing_more(
    livekit: LiveKitSip, session: api.LiveKitAPI
) -> None:
    for _ in range(2):
        assert await by_the_engine(livekit) == [OUTBOUND, INBOUND, RULE]
        assert await by_the_engine(livekit) == []
        await emptied(session)


async def test_a_trunk_that_the_dialer_makes_anew_is_all_that_the_file_wants(
    livekit: LiveKitSip, session: api.LiveKitAPI, media: MediaServers
) -> None:
    file = desired(
        ("trunks/main/inbound", None),
        ("trunks/main/encryption", "require"),
        ("trunks/main/outbound/codecs", ["PCMA"]),
    )
    kept = InMemoryTrunks()
    for trunk in TRUNK.of_file(file):
        await RoutedTrunks(kept).put(trunk)
    dialer = LiveKitSession(url=media.livekit_url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
    at_once = Patience(sleep=_no_wait)
    try:
        assert await LiveKitTrunks(dialer).ensure(await kept.list())
    finally:
        await dialer.close()
    assert (await planned(file, [livekit], patience=at_once)).pending == ()
    ((made,), _, _) = await everything(session)
    assert [codec.name for codec in made.media.codecs] == ["PCMA"]


async def test_an_answer_that_is_lost_at_any_request_makes_nothing_twice(
    livekit: LiveKitSip, session: api.LiveKitAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = TwirpClient.request
    asked = 0
    lost = -1

    async def losing(self: TwirpClient, *given: Any, **more: Any) -> Any:
        nonlocal asked
        asked += 1
        answer = await request(self, *given, **more)
        if asked == lost:
            raise aiohttp.ServerDisconnectedError
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(TwirpClient, "request", losing)
        await by_the_engine(livekit)
    requests, asked = asked, 0
    for moment in range(1, requests + 1):
        await emptied(session)
        asked, lost = 0, moment
        with monkeypatch.context() as patched:
            patched.setattr(TwirpClient, "request", losing)
            await by_the_engine(livekit)
        assert [len(kind) for kind in await everything(session)] == [1, 1, 1]
        assert await by_the_engine(livekit) == []


async def test_a_password_is_in_no_text_about_a_trunk(livekit: LiveKitSip) -> None:
    wanted = await applied(livekit)
    there = await ours(livekit)
    assert all(PASSWORD not in repr(thing) for thing in (*wanted, *there.values()))
    assert wanted[0].secrets == {"password"}
    assert there[wanted[0].key].fields["password"] == PASSWORD, "LiveKit tells it: it is compared"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"api_secret": "another-secret-of-the-tests-32-characters"}, "credentials_refused"),
        ({"api_key": "unknown"}, "credentials_refused"),
        ({"url": f"ws://127.0.0.1:{free_port()}"}, "unreachable"),
    ],
)
async def test_wrong_keys_and_a_wrong_address_are_told_in_words(
    media: MediaServers, given: dict[str, str], code: str
) -> None:
    wrong = adapter(media, **given)
    try:
        with pytest.raises(TrunkError) as refused:
            await wrong.found()
        assert refused.value.code == code
        assert "LIVEKIT_API_KEY" in refused.value.fix
        assert refused.value.retryable == (code == "unreachable")
    finally:
        await wrong.aclose()
