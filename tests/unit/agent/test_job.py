"""What a job does with the room, and what it tells of the call's end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from livekit import rtc

from agent import putting_away
from agent.dialer_client import PermitAnswer
from telephony.call import CallType
from telephony.events import EventType
from tests.kit.job_world import CALLER, World
from tests.kit.until import until


@pytest.mark.asyncio
@pytest.mark.parametrize("call_type", list(CallType))
@pytest.mark.parametrize("answer", [PermitAnswer.REFUSED, PermitAnswer.UNREACHABLE])
async def test_a_job_without_the_permit_leaves_the_room_to_the_others(
    monkeypatch: pytest.MonkeyPatch, call_type: CallType, answer: PermitAnswer
) -> None:
    world = World(monkeypatch, call_type)
    world.answer = answer
    await world.call.run()
    assert world.asked == 1
    assert (world.deleted, world.invited, world.closed) == ([], 0, 1)
    assert world.told(EventType.CALL_ENDED) == []
    assert len(world.told(EventType.CALL_WARNING)) == (answer is PermitAnswer.UNREACHABLE)


@pytest.mark.asyncio
async def test_a_greeting_that_fails_is_a_warning_and_not_the_call_s_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.greeting_fails = True
    await world.call.run()
    assert (world.deleted, world.asked, world.closed) == ([], 0, 1)
    assert world.told(EventType.CALL_ENDED) == []
    (warning,) = world.told(EventType.CALL_WARNING)
    assert warning == {"code": "agent_failed", "message": "the agent failed: RuntimeError"}


@pytest.mark.asyncio
async def test_a_hang_up_while_the_greeting_is_made_ends_the_job_at_once_and_silently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    world.greeting_hangs = True
    running = asyncio.create_task(world.call.run())
    await until(lambda: world.events)
    world.room.tell("disconnected", rtc.DisconnectReason.ROOM_DELETED)
    await asyncio.wait_for(running, 60)
    assert (world.deleted, world.asked, world.closed) == ([], 0, 1)
    assert [kind for kind, _ in world.events] == [EventType.CALL_AGENT_JOINED]


@pytest.mark.asyncio
@pytest.mark.parametrize("answered", [True, False])
async def test_whatever_fails_while_putting_away_the_end_is_told(
    monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    world = World(monkeypatch)
    world.closing_fails = True
    running = asyncio.create_task(world.call.run())
    await until(lambda: world.invited)
    if answered:
        world.invite.set_result(None)
        await until(lambda: EventType.CALL_ANSWERED in [kind for kind, _ in world.events])
    world.room.tell("disconnected", rtc.DisconnectReason.ROOM_DELETED)
    await asyncio.wait_for(running, 60)
    assert world.deleted == ["tel-att_1"]
    assert world.withdrawn_before == [True]
    assert [ended["ended_reason"] for ended in world.told(EventType.CALL_ENDED)] == ["api_hangup"]


@pytest.mark.asyncio
async def test_a_deletion_that_hangs_does_not_hold_up_the_last_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(putting_away, "_DELETE_PATIENCE", 0.05)
    world = World(monkeypatch)
    release = asyncio.Event()

    async def hang_up(*_: object) -> bool:
        return await release.wait()

    monkeypatch.setattr(putting_away, "hang_up", hang_up)
    running = asyncio.create_task(world.call.run())
    await until(lambda: world.invited)
    world.room.tell("disconnected", rtc.DisconnectReason.ROOM_DELETED)
    await until(lambda: world.told(EventType.CALL_ENDED))
    assert world.told(EventType.CALL_WARNING)[0]["code"] == "room_not_deleted"
    release.set()
    await asyncio.wait_for(running, 60)


@pytest.mark.asyncio
async def test_a_caller_is_answered_once_all_is_ready_and_nobody_is_rung(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, inbound=True)
    running = asyncio.create_task(world.call.run())
    await until(lambda: EventType.CALL_ANSWERED in [kind for kind, _ in world.events])
    gone = SimpleNamespace(identity=CALLER, disconnect_reason=rtc.DisconnectReason.CLIENT_INITIATED)
    world.room.tell("participant_disconnected", gone)
    await asyncio.wait_for(running, 60)
    assert (world.asked, world.invited, world.picked_up, world.quietly) == (0, 0, 1, True)
    assert [kind for kind, _ in world.events] == [
        EventType.CALL_AGENT_JOINED,
        EventType.CALL_AGENT_READY,
        EventType.CALL_ANSWERED,
        EventType.CALL_ENDED,
    ]
    assert [end["ended_reason"] for end in world.told(EventType.CALL_ENDED)] == ["caller_hangup"]
    assert world.deleted == ["tel-att_1"]


@pytest.mark.asyncio
@pytest.mark.parametrize("can_apologise", [True, False])
async def test_a_caller_whose_agent_fails_is_told_so_or_hears_busy(
    monkeypatch: pytest.MonkeyPatch, can_apologise: bool
) -> None:
    world = World(monkeypatch, inbound=True)
    world.greeting_fails, world.can_apologise = True, can_apologise
    await asyncio.wait_for(world.call.run(), 60)
    assert (world.picked_up, world.apologies) == ((1, 1) if can_apologise else (0, 0))
    assert world.deleted == ["tel-att_1"]
    assert [end["ended_reason"] for end in world.told(EventType.CALL_ENDED)] == ["agent_error"]


@pytest.mark.asyncio
@pytest.mark.parametrize("can_apologise", [True, False])
async def test_a_caller_whom_the_dialer_takes_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, can_apologise: bool
) -> None:
    world = World(monkeypatch, inbound=True)
    world.greeting_fails, world.can_apologise = True, can_apologise
    world.takes_callers = True
    await asyncio.wait_for(world.call.run(), 60)
    assert world.offered_back == [can_apologise]
    assert (world.picked_up, world.apologies, world.deleted) == (0, 0, [])
    assert world.told(EventType.CALL_ENDED) == []


@pytest.mark.asyncio
async def test_a_call_that_we_make_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.greeting_fails, world.takes_callers = True, True
    await asyncio.wait_for(world.call.run(), 60)
    assert world.offered_back == []


@pytest.mark.asyncio
async def test_a_caller_who_gives_up_while_the_greeting_is_made_ends_the_job_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, inbound=True)
    world.greeting_hangs = True
    running = asyncio.create_task(world.call.run())
    await until(lambda: world.events)
    gone = SimpleNamespace(identity=CALLER, disconnect_reason=rtc.DisconnectReason.CLIENT_INITIATED)
    world.room.tell("participant_disconnected", gone)
    await asyncio.wait_for(running, 60)
    assert (world.picked_up, world.deleted) == (0, ["tel-att_1"])
    assert [end["ended_reason"] for end in world.told(EventType.CALL_ENDED)] == ["caller_hangup"]
