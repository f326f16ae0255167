"""A call that came in: who calls which number, and what the dialer makes of it.

The dispatch rule's job tells nothing but that somebody calls. The bridge is in the room already, as
a participant whose attributes tell the numbers, and the caller hears ringing.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex
from typing import Final

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext
from pydantic import ValidationError

from agent.desk import Desk
from agent.hanging_up import hang_up
from agent.logs import get_logger
from agent.subscriptions import Subscriptions
from telephony.bridge_attributes import BRIDGE_CALL_ID, CALLED, CALLER, number_in
from telephony.dial_request import DialRequest
from telephony.worker_contract import (
    ANNOUNCER_IDENTITY,
    OVERFLOW_IDENTITY,
    InboundJob,
    InboundOffer,
    InboundRefused,
)

#: Units: seconds. The bridge makes the room by joining it, and we are asked after that.
_CALLER_WITHIN: Final = 3.0

#: Who is in the room of a caller whom the dialer itself looks after.
_THE_DIALERS: Final = {OVERFLOW_IDENTITY, ANNOUNCER_IDENTITY}

log = get_logger(__name__)


def came_in(metadata: str) -> bool:
    """Tell whether a job is a dispatch rule's, for a call that came in."""
    try:
        InboundJob.model_validate_json(metadata or "{}")
    except ValidationError:
        return False
    # A DialRequest of such a call says so too, and is one that the dialer knows already.
    return "attempt_id" not in metadata


async def offered(context: JobContext, desk: Desk) -> DialRequest | None:
    """Join the caller and offer the call to the dialer; gives its briefing.

    Shape: None where there is nothing to do here any more: another agent has the call, nobody calls
    after all, or the call was refused, which a caller who is not answered yet hears as busy.
    """
    await context.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    caller = await _caller(context.room)
    if caller is None:
        log.info("nobody_calls", room=context.room.name)
        return None
    try:
        offer = _offer(context.room.name, caller)
    except (KeyError, ValidationError) as error:
        log.error("caller_not_understood", error=type(error).__name__)
        await _refuse(context, desk)
        return None
    answer = await desk.office.offer(offer)
    if answer is not None and answer.request is not None:
        return DialRequest.from_metadata(answer.request)
    refused = None if answer is None else answer.refused
    log.warning("call_refused", reason="dialer_unreachable" if refused is None else refused.value)
    taken = refused is InboundRefused.TAKEN or (answer is None and _taken(context.room))
    if not taken:
        await _refuse(context, desk)
    return None


def _taken(room: rtc.Room) -> bool:
    """Tell whether the dialer, which we cannot hear, went on with the caller without us.

    Shape: it takes the agent whose offer does not come out of the room, and sends the caller to the
    overflow number or an apology.
    """
    return not room.isconnected() or not _THE_DIALERS.isdisjoint(room.remote_participants)


def _offer(room: str, caller: rtc.RemoteParticipant) -> InboundOffer:
    told = caller.attributes
    return InboundOffer(
        asked_by=token_hex(8),
        bridge_call_id=told[BRIDGE_CALL_ID],
        room=room,
        leg_identity=caller.identity,
        called=(number_in(told, CALLED) or "")[:64],
        caller=number_in(told, CALLER),
    )


async def _caller(room: rtc.Room) -> rtc.RemoteParticipant | None:
    """Wait for the bridge's participant and what it tells of the call."""
    changed, subscriptions = asyncio.Event(), Subscriptions()
    for event in ("participant_connected", "participant_attributes_changed"):
        subscriptions.on(room, event, lambda *_: changed.set())
    try:
        async with asyncio.timeout(_CALLER_WITHIN):
            while True:
                for participant in room.remote_participants.values():
                    if _is_caller(participant):
                        return participant
                changed.clear()
                await changed.wait()
    except TimeoutError:
        return None
    finally:
        subscriptions.close()


def _is_caller(participant: rtc.RemoteParticipant) -> bool:
    sip = participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP
    second = participant.identity == OVERFLOW_IDENTITY
    return sip and not second and BRIDGE_CALL_ID in participant.attributes


async def _refuse(context: JobContext, desk: Desk) -> None:
    await hang_up(desk.livekit().room, context.room.name)
