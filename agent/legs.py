"""Which leg a call has: a phone that we ring, a caller, or a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from livekit import api, rtc

from agent.desk import Office
from agent.ending import End
from agent.inbound_leg import InboundLeg
from agent.leg import Leg, Report
from agent.sip_leg import SipLeg
from agent.voip_leg import VoipLeg
from telephony.bridge_hold import Hold
from telephony.call import CallType, Direction
from telephony.dial_request import DialRequest


def leg_of(
    request: DialRequest,
    room: rtc.Room,
    end: End,
    report: Report,
    *,
    livekit: api.LiveKitAPI,
    office: Office,
    ask_bridge: Callable[[str, str], Awaitable[Hold]],
    pick_up: Callable[[], Awaitable[None]],
) -> Leg:
    """Make the leg that this call has; ``pick_up`` answers a caller."""
    if request.call_type is CallType.VOIP:
        return VoipLeg(room, request, end, report)
    if request.direction is Direction.INBOUND:
        return InboundLeg(room, request, end, report, pick_up=pick_up, ask_bridge=ask_bridge)
    return SipLeg(
        room,
        request,
        end,
        report,
        sip=livekit.sip,
        give_back=lambda why: office.return_permit(request, why),
        rooms=livekit.room,
        ask_bridge=ask_bridge,
    )
