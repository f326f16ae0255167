"""A caller who rings, is answered and leaves, over a bridge that does as told."""

from __future__ import annotations

import asyncio
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc

from agent.ending import End
from agent.inbound_leg import InboundLeg
from agent.phone_leg import CALL_STATUS
from telephony.bridge_hold import Hold
from telephony.call import Direction, EndedReason
from telephony.events import Data, EventType
from tests.kit.ringing import Room, granted, request

_D = rtc.DisconnectReason
WHO = "sip_1f"

pytestmark = pytest.mark.asyncio


class Calling:
    """A caller in a room."""

    def __init__(self) -> None:
        self.room, self.end = Room(), End()
        self.events: list[EventType] = []
        self.picked_up = 0
        came = request().model_copy(update={"direction": Direction.INBOUND, "leg_identity": WHO})
        self.leg = InboundLeg(
            cast("rtc.Room", self.room),
            came,
            self.end,
            self.report,
            pick_up=self.pick_up,
            ask_bridge=self.ask_bridge,
        )
        self.caller: Any = SimpleNamespace(
            identity=WHO, attributes={CALL_STATUS: "ringing"}, track_publications={}
        )
        self.room.remote_participants[WHO] = self.caller

    def report(
        self, type_: EventType, data: Data | None = None, *, at: datetime | None = None
    ) -> None:
        self.events.append(type_)

    async def pick_up(self) -> None:
        self.picked_up += 1

    async def ask_bridge(self, room: str, identity: str) -> Hold:
        return Hold.THERE

    def status(self, status: str) -> None:
        """Have the bridge tell how the call stands."""
        self.caller.attributes = {CALL_STATUS: status}
        changed = {CALL_STATUS: status}
        self.room.tell("participant_attributes_changed", changed, self.caller)

    def leave(self, reason: rtc.DisconnectReason.ValueType) -> None:
        """Have the caller leave."""
        gone = SimpleNamespace(identity=WHO, disconnect_reason=reason)
        self.room.tell("participant_disconnected", gone)


async def test_the_call_is_ours_from_the_start_and_answered_by_our_voice() -> None:
    calling = Calling()
    assert calling.leg.permitted
    calling.leg.joined()
    assert calling.picked_up == 0 and calling.events == []
    await calling.leg.reach(granted)
    assert calling.picked_up == 1
    assert not calling.leg.answered.is_set()
    calling.status("active")
    calling.status("active")
    assert calling.leg.answered.is_set()
    assert calling.events == ["call.answered"]
    await calling.leg.aclose()
    assert calling.room.listeners == 0


async def test_a_caller_who_is_gone_when_we_come_is_not_answered() -> None:
    calling = Calling()
    calling.room.remote_participants.clear()
    calling.leg.joined()
    await calling.leg.reach(granted)
    assert calling.picked_up == 0
    assert (await calling.end.wait()).reason is EndedReason.CALLER_HANGUP
    await calling.leg.aclose()


@pytest.mark.parametrize("answered", [False, True])
async def test_a_caller_who_leaves_has_hung_up(answered: bool) -> None:
    calling = Calling()
    calling.leg.joined()
    if answered:
        await calling.leg.reach(granted)
        calling.status("active")
    calling.leave(_D.CLIENT_INITIATED)
    ending = await asyncio.wait_for(calling.end.wait(), 5)
    assert (ending.reason, ending.ended_by) == (EndedReason.CALLER_HANGUP, "caller")
    await calling.leg.aclose()


@pytest.mark.parametrize("answered", [False, True])
async def test_a_caller_who_is_taken_out_was_hung_up_on(answered: bool) -> None:
    calling = Calling()
    calling.leg.joined()
    if answered:
        calling.status("active")
    calling.leave(_D.PARTICIPANT_REMOVED)
    assert (await calling.end.wait()).reason is EndedReason.API_HANGUP
    await calling.leg.aclose()


@pytest.mark.fault("F29")
@pytest.mark.parametrize("answered", [False, True])
async def test_a_bridge_that_dies_is_no_hang_up(
    answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.phone_leg._BACK_WITHIN", 0.05)
    monkeypatch.setattr("agent.inbound_leg.SAME_END", 0.02)
    calling = Calling()
    calling.leg.joined()
    if answered:
        calling.status("active")
    calling.leave(_D.CONNECTION_TIMEOUT)
    ending = await asyncio.wait_for(calling.end.wait(), 5)
    assert ending.reason is EndedReason.BRIDGE_LOST
    await calling.leg.aclose()


async def test_a_bridge_that_does_not_answer_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.inbound_leg._ANSWERED_WITHIN", 0.02)
    calling = Calling()
    calling.leg.joined()
    await calling.leg.reach(granted)
    ending = await asyncio.wait_for(calling.end.wait(), 5)
    assert ending.reason is EndedReason.BRIDGE_LOST
    await calling.leg.aclose()


async def test_a_caller_who_was_answered_by_a_lost_agent_is_on_the_line_already() -> None:
    calling = Calling()
    calling.caller.attributes = {CALL_STATUS: "active"}
    calling.leg.joined()
    assert calling.leg.answered.is_set()
    await calling.leg.aclose()
