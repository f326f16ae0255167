"""Who owns the room, and whose word the end of a call is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import api, rtc

from agent import job
from agent.desk import Desk
from agent.dialer_client import PermitAnswer
from agent.job import Call
from telephony.call import CallType
from telephony.dial_request import Rescue
from telephony.events import Data, EventType
from telephony.worker_contract import CALLEE_IDENTITY
from tests.kit.ringing import NOBODY, Room, request
from tests.kit.until import until


class Conversation:
    """A conversation that gets ready, or not, and closes, or not."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def prepare(self, room: object, joined: Awaitable[None], callee: str) -> None:
        await joined
        if self._world.greeting_hangs:
            await asyncio.sleep(60)
        if self._world.greeting_fails:
            raise RuntimeError("words")

    def prepare_more(self) -> None:
        """Do nothing."""

    def begin(self) -> None:
        """Do nothing."""

    async def apologise(self) -> None:
        self._world.apologies += 1

    async def aclose(self) -> None:
        self._world.closed += 1
        if self._world.closing_fails:
            raise RuntimeError("words")


class World:
    """Everything around one call."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        call_type: CallType = CallType.SIP,
        rescue: Rescue | None = None,
    ) -> None:
        self.room = Room()
        self.answer = PermitAnswer.GRANTED
        self.greeting_hangs = self.greeting_fails = self.closing_fails = False
        self.closed = self.apologies = 0
        self.current = True
        self.events: list[tuple[EventType, Data | None]] = []
        self.deleted: list[str] = []
        self.invited = 0
        self.asked = self.returned = 0
        self.taken_back: asyncio.Future[bool] | None = None
        self.invite: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(job.utils.http_context, "http_session", lambda: None)
        monkeypatch.setattr(job.api, "LiveKitAPI", self._livekit)
        monkeypatch.setattr(job, "Conversation", self._converse)
        context = SimpleNamespace(
            room=self.room, connect=self._nothing, shutdown=self._stop, job=None
        )
        desk = Desk(
            office=cast("Any", self),
            shared=cast("Any", None),
            phrases=cast("Any", None),
            recordings=Path("/nonexistent"),
            worker_id="w",
            livekit_url="ws://x",
            livekit_api_key="k",
            livekit_api_secret="s",
            media_timeout=timedelta(seconds=15),
            media_timeout_initial=timedelta(seconds=20),
        )
        wanted = request(call_type).model_copy(update={"rescue": rescue})
        self.call = Call(cast("Any", context), desk, wanted)

    def _converse(self, *_: object, **__: object) -> Conversation:
        return Conversation(self)

    def _stop(self, _: str) -> None:
        pass

    def _livekit(self, *_: object, **__: object) -> Any:
        return SimpleNamespace(
            room=SimpleNamespace(delete_room=self._delete),
            sip=SimpleNamespace(create_sip_participant=self._invite),
        )

    async def _nothing(self, **_: object) -> None:
        pass

    async def _delete(self, delete: api.DeleteRoomRequest) -> None:
        self.deleted.append(delete.room)

    async def _invite(self, *_: object, **__: object) -> None:
        self.invited += 1
        await asyncio.shield(self.invite)

    # -- the office

    def reporter(self, _: object) -> World:
        return self

    async def permit(self, _: object) -> PermitAnswer:
        self.asked += 1
        return self.answer

    async def return_permit(self, _: object, why: object) -> bool:
        self.returned += 1
        return True if self.taken_back is None else await self.taken_back

    async def take_over(self, _: object) -> bool:
        return self.current

    async def is_current(self, _: object) -> bool:
        return self.current

    def enter(self, *_: object) -> object:
        return self

    def leave(self, _: object) -> None:
        """Do nothing."""

    # -- the reporter

    def report(
        self, type_: EventType, data: Data | None = None, *, at: datetime | None = None
    ) -> None:
        self.events.append((type_, data))

    def close(self) -> None:
        """Do nothing."""

    def told(self, type_: EventType) -> list[dict[str, Any]]:
        """Give the data of every event of this type."""
        return [
            json.loads(data.model_dump_json())
            for kind, data in self.events
            if kind is type_ and data
        ]


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
    assert [ended["ended_reason"] for ended in world.told(EventType.CALL_ENDED)] == ["api_hangup"]


@pytest.mark.asyncio
async def test_a_deletion_that_hangs_does_not_hold_up_the_last_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "_DELETE_PATIENCE", 0.05)
    world = World(monkeypatch)
    release = asyncio.Event()

    async def hang_up(*_: object) -> bool:
        return await release.wait()

    monkeypatch.setattr(job, "hang_up", hang_up)
    running = asyncio.create_task(world.call.run())
    await until(lambda: world.invited)
    world.room.tell("disconnected", rtc.DisconnectReason.ROOM_DELETED)
    await until(lambda: world.told(EventType.CALL_ENDED))
    assert world.told(EventType.CALL_WARNING)[0]["code"] == "room_not_deleted"
    release.set()
    await asyncio.wait_for(running, 60)


RESCUE = Rescue(number=1, answered_at=datetime(2026, 1, 1, tzinfo=UTC))


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
