"""A call that another agent had, has, or will have: whose the room is, and whose word the end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from livekit import api, rtc

from telephony.events import EventType
from telephony.worker_contract import CALLEE_IDENTITY
from tests.kit.job_world import RESCUE, World
from tests.kit.ringing import NOBODY
from tests.kit.until import until


def _on_the_line(world: World) -> None:
    phone = SimpleNamespace(identity=CALLEE_IDENTITY, attributes={}, track_publications={})
    world.room.remote_participants[CALLEE_IDENTITY] = phone


@pytest.mark.asyncio
async def test_a_rescue_asks_for_no_permit_and_rings_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, rescue=RESCUE)
    _on_the_line(world)
    running = asyncio.create_task(world.call.run())
    await until(lambda: world.told(EventType.CALL_AGENT_RESCUED))
    world.room.tell("disconnected", rtc.DisconnectReason.ROOM_DELETED)
    await asyncio.wait_for(running, 60)
    assert (world.asked, world.invited) == (0, 0)
    told = [kind for kind, _ in world.events]
    assert told == [
        EventType.CALL_AGENT_JOINED,
        EventType.CALL_AGENT_RESCUED,
        EventType.CALL_ENDED,
    ]


@pytest.mark.asyncio
async def test_a_rescue_that_cannot_speak_says_sorry_and_hangs_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, rescue=RESCUE)
    _on_the_line(world)
    world.greeting_fails = True
    await asyncio.wait_for(world.call.run(), 60)
    assert (world.apologies, world.deleted) == (1, ["tel-att_1"])
    assert [ended["ended_reason"] for ended in world.told(EventType.CALL_ENDED)] == ["agent_error"]


@pytest.mark.asyncio
async def test_a_rescue_that_finds_nobody_on_the_line_ends_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, rescue=RESCUE)
    await asyncio.wait_for(world.call.run(), 60)
    assert [ended["ended_reason"] for ended in world.told(EventType.CALL_ENDED)] == ["lost"]


async def _talking(world: World) -> asyncio.Task[None]:
    running = asyncio.create_task(world.call.run())
    await until(lambda: world.invited)
    world.invite.set_result(None)
    await until(lambda: EventType.CALL_ANSWERED in [kind for kind, _ in world.events])
    return running


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "reason", [rtc.DisconnectReason.PARTICIPANT_REMOVED, rtc.DisconnectReason.CONNECTION_TIMEOUT]
)
async def test_an_agent_whose_call_another_one_has_leaves_it_alone(
    monkeypatch: pytest.MonkeyPatch, reason: rtc.DisconnectReason.ValueType
) -> None:
    world = World(monkeypatch)
    running = await _talking(world)
    world.current = False
    world.room.tell("disconnected", reason)
    await asyncio.wait_for(running, 60)
    assert (world.deleted, world.told(EventType.CALL_ENDED), world.closed) == ([], [], 1)


@pytest.mark.asyncio
async def test_an_agent_that_comes_back_asks_whose_the_call_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    running = await _talking(world)
    world.current = False
    world.room.tell("reconnected")
    await asyncio.wait_for(running, 60)
    assert (world.deleted, world.told(EventType.CALL_ENDED)) == ([], [])


@pytest.mark.asyncio
async def test_a_lost_media_server_still_ends_a_call_that_is_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    running = await _talking(world)
    world.room.tell("disconnected", rtc.DisconnectReason.CONNECTION_TIMEOUT)
    await asyncio.wait_for(running, 60)
    ends = [ended["ended_reason"] for ended in world.told(EventType.CALL_ENDED)]
    assert (world.deleted, ends) == (["tel-att_1"], ["media_server_lost"])


@pytest.mark.asyncio
@pytest.mark.fault("F5", "F6")
async def test_a_job_whose_permit_went_back_leaves_the_call_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.sip_leg._BRIDGE_PATIENCE", 0.0)
    world = World(monkeypatch)
    nobody = api.ServerError("unavailable", NOBODY, status=503)
    world.invite.set_exception(nobody)
    await asyncio.wait_for(world.call.run(), 10)
    assert (world.invited, world.returned) == (1, 1)
    assert world.deleted == []
    assert EventType.CALL_ENDED not in [type_ for type_, _ in world.events]


@pytest.mark.asyncio
@pytest.mark.fault("F5", "F6")
@pytest.mark.parametrize("told", ["refused or unreachable", "its room was deleted meanwhile"])
async def test_a_room_whose_permit_may_have_gone_back_is_the_next_agents_to_delete(
    monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setattr("agent.sip_leg._BRIDGE_PATIENCE", 0.0)
    world = World(monkeypatch)
    world.taken_back = asyncio.get_running_loop().create_future()
    nobody = api.ServerError("unavailable", NOBODY, status=503)
    world.invite.set_exception(nobody)
    running = asyncio.ensure_future(world.call.run())
    await until(lambda: world.returned == 1)
    if told == "refused or unreachable":
        world.taken_back.set_result(False)
    else:
        world.room.tell("disconnected", rtc.DisconnectReason.ROOM_DELETED)
    await asyncio.wait_for(running, 10)
    assert (world.invited, world.deleted) == (1, [])
    # The dialer drops this word where the permit did go back.
    assert len(world.told(EventType.CALL_ENDED)) == 1
