"""A browser that joins the room by itself."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import cast

import pytest
from livekit import rtc

from agent.ending import End
from agent.voip_leg import VoipLeg
from telephony.call import CallType, EndedReason
from telephony.events import Data, EventType
from tests.kit.ringing import Room, granted, request


@pytest.mark.asyncio
async def test_a_browser_answers_with_its_audio_and_hangs_up_by_leaving() -> None:
    room, end = Room(), End()
    events: list[EventType] = []

    def report(type_: EventType, data: Data | None = None, *, at: datetime | None = None) -> None:
        events.append(type_)

    leg = VoipLeg(cast("rtc.Room", room), request(CallType.VOIP), end, report)

    await leg.reach(granted)
    assert leg.permitted
    browser = SimpleNamespace(
        identity="browser", disconnect_reason=rtc.DisconnectReason.SIGNAL_CLOSE
    )
    room.tell("participant_connected", browser)
    assert events == []
    track = SimpleNamespace(kind=rtc.TrackKind.KIND_AUDIO)
    room.tell("track_subscribed", track, None, browser)
    assert events == ["call.answered"]
    room.tell("participant_disconnected", browser)
    assert (await end.wait()).reason is EndedReason.CALLEE_HANGUP
    await leg.aclose()
