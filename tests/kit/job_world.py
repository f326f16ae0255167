"""Everything around one job of a worker, doing as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import api

from agent import desk, job
from agent.desk import Desk
from agent.dialer_client import PermitAnswer
from agent.job import Call
from agent.phone_leg import CALL_STATUS
from telephony.bridge_hold import Hold
from telephony.call import CallType, Direction
from telephony.dial_request import Rescue
from telephony.events import Data, EventType
from tests.kit.ringing import Room, request

#: Who rings at us.
CALLER = "sip_1f"


class Conversation:
    """A conversation that gets ready, or not, and closes, or not."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def prepare(
        self, room: object, joined: Awaitable[None], callee: str, *, quietly: bool = False
    ) -> None:
        self._world.quietly = quietly
        await joined
        if self._world.greeting_hangs:
            await asyncio.sleep(60)
        if self._world.greeting_fails:
            raise RuntimeError("words")

    async def pick_up(self, room: object) -> None:
        self._world.picked_up += 1
        self._world.status("active")

    @property
    def can_apologise(self) -> bool:
        return self._world.can_apologise

    def prepare_more(self) -> None:
        """Do nothing."""

    def begin(self) -> None:
        """Do nothing."""

    async def apologise(self) -> None:
        self._world.apologies += 1

    async def withdraw(self) -> None:
        self._world.withdrawn_before.append(not self._world.deleted)

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
        *,
        inbound: bool = False,
    ) -> None:
        self.room = Room()
        self.answer = PermitAnswer.GRANTED
        self.greeting_hangs = self.greeting_fails = self.closing_fails = False
        self.closed = self.apologies = self.picked_up = 0
        self.quietly = False
        self.can_apologise = True
        self.current = True
        self.hold = Hold.THERE
        #: Whether the dialer takes a caller whom the agent cannot answer, and what it was told.
        self.takes_callers = False
        self.offered_back: list[bool] = []
        self.events: list[tuple[EventType, Data | None]] = []
        self.deleted: list[str] = []
        #: Whether the room was still there each time the agent's tracks were taken out of it.
        self.withdrawn_before: list[bool] = []
        self.invited = 0
        self.asked = self.returned = 0
        self.taken_back: asyncio.Future[bool] | None = None
        self.invite: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(desk.utils.http_context, "http_session", lambda: None)
        monkeypatch.setattr(desk.api, "LiveKitAPI", self._livekit)
        monkeypatch.setattr(desk, "BridgeHold", self._bridge_hold)
        monkeypatch.setattr(job, "Conversation", self._converse)
        context = SimpleNamespace(
            room=self.room, connect=self._nothing, shutdown=self._stop, job=None
        )
        place = Desk(
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
        if inbound:
            came = {"direction": Direction.INBOUND, "leg_identity": CALLER}
            wanted = wanted.model_copy(update=came)
            self.room.remote_participants[CALLER] = SimpleNamespace(
                identity=CALLER, attributes={CALL_STATUS: "ringing"}, track_publications={}
            )
        self.call = Call(cast("Any", context), place, wanted)

    def _converse(self, *_: object, **__: object) -> Conversation:
        return Conversation(self)

    def _stop(self, _: str) -> None:
        pass

    def _livekit(self, *_: object, **__: object) -> Any:
        return SimpleNamespace(
            room=SimpleNamespace(delete_room=self._delete),
            sip=SimpleNamespace(create_sip_participant=self._invite),
        )

    def _bridge_hold(self, *_: object, **__: object) -> Any:
        return SimpleNamespace(ask=self._ask_bridge)

    async def _ask_bridge(self, room: str, identity: str) -> Hold:
        return self.hold

    async def _nothing(self, **_: object) -> None:
        pass

    async def _delete(self, delete: api.DeleteRoomRequest) -> None:
        self.deleted.append(delete.room)

    async def _invite(self, *_: object, **__: object) -> None:
        self.invited += 1
        await asyncio.shield(self.invite)

    def status(self, status: str) -> None:
        """Have the bridge tell how a caller's call stands."""
        caller = self.room.remote_participants.get(CALLER)
        if caller is not None:
            caller.attributes = {CALL_STATUS: status}
            self.room.tell("participant_attributes_changed", caller.attributes, caller)

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

    async def hand_over(self, _: object, *, can_apologise: bool) -> bool:
        self.offered_back.append(can_apologise)
        return self.takes_callers

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


RESCUE = Rescue(number=1, answered_at=datetime(2026, 1, 1, tzinfo=UTC))
