"""A browser that joins the room by itself."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import cast

import pytest
from livekit import rtc

from agent.dialer_client import PermitAnswer
from agent.ending import End
from agent.leg import NotPermitted
from agent.voip_leg import VoipLeg
from telephony.call import CallType, EndedReason
from telephony.events import Data, EventType
from tests.kit.ringing import Room, granted, request

TRACK = SimpleNamespace(kind=rtc.TrackKind.KIND_AUDIO)


def leg_in(room: Room, end: End) -> tuple[VoipLeg, list[EventType]]:
    events: list[EventType] = []

    def report(type_: EventType, data: Data | None = None, *, at: datetime | None = None) -> None:
        events.append(type_)

    return VoipLeg(cast("rtc.Room", room), request(CallType.VOIP), end, report), events


def browser_in(room: Room, *, heard: bool = False) -> SimpleNamespace:
    published = SimpleNamespace(track=TRACK, kind=TRACK.kind)
    browser = SimpleNamespace(
        identity="browser",
        disconnect_reason=rtc.DisconnectReason.SIGNAL_CLOSE,
        track_publications={"audio": published} if heard else {},
    )
    room.remote_participants["browser"] = cast("rtc.RemoteParticipant", browser)
    room.tell("participant_connected", browser)
    return browser


@pytest.mark.asyncio
async def test_a_browser_answers_with_its_audio_and_hangs_up_by_leaving() -> None:
    room, end = Room(), End()
    leg, events = leg_in(room, end)
    await leg.reach(granted)
    assert leg.permitted
    browser = browser_in(room)
    assert events == []
    room.tell("track_subscribed", TRACK, None, browser)
    assert events == ["call.answered"]
    room.tell("participant_disconnected", browser)
    assert (await end.wait()).reason is EndedReason.CALLEE_HANGUP
    await leg.aclose()


@pytest.mark.asyncio
async def test_a_browser_that_is_heard_while_the_permit_is_asked_for_answers_with_it() -> None:
    room, end = Room(), End()
    leg, events = leg_in(room, end)

    async def asked() -> PermitAnswer:
        room.tell("track_subscribed", TRACK, None, browser_in(room, heard=True))
        assert events == [], "the dialer gives no permit for a call that was answered"
        return await granted()

    await leg.reach(asked)
    assert events == ["call.answered"]
    await leg.aclose()


@pytest.mark.asyncio
async def test_without_the_permit_nobody_is_answered() -> None:
    room, end = Room(), End()
    leg, events = leg_in(room, end)

    async def asked() -> PermitAnswer:
        return PermitAnswer.REFUSED

    with pytest.raises(NotPermitted):
        await leg.reach(asked)
    room.tell("track_subscribed", TRACK, None, browser_in(room, heard=True))
    assert events == []
    await leg.aclose()
