"""A call that came in: who calls which number, and what the dialer makes of it.

The dispatch rule's job tells nothing but that somebody calls. The bridge is in the room already, as
a participant whose attributes tell the numbers, and the caller hears ringing.
"""

from __future__ import annotations

import asyncio
import re
from secrets import token_hex
from typing import Final

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext
from pydantic import ValidationError

from agent.desk import Desk
from agent.hanging_up import hang_up
from agent.logs import get_logger
from agent.subscriptions import Subscriptions
from telephony.dial_request import DialRequest
from telephony.worker_contract import InboundJob, InboundOffer, InboundRefused

#: Units: seconds. The bridge makes the room by joining it, and we are asked after that.
_CALLER_WITHIN: Final = 3.0

#: Where the bridge tells of the numbers: by themselves, or, where the dispatch rule hides them, in
#: the INVITE's own headers (``include_headers`` or ``headers_to_attributes`` of the trunk).
_CALLED: Final = ("sip.trunkPhoneNumber", "sip.h.to")
_CALLER: Final = ("sip.phoneNumber", "sip.h.from")
_USER: Final = re.compile(r"sips?:([^@;>]*)@", re.IGNORECASE)

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
    if refused is not InboundRefused.TAKEN:
        await _refuse(context, desk)
    return None


def _offer(room: str, caller: rtc.RemoteParticipant) -> InboundOffer:
    told = caller.attributes
    return InboundOffer(
        asked_by=token_hex(8),
        bridge_call_id=told["sip.callID"],
        room=room,
        leg_identity=caller.identity,
        called=(number_in(told, _CALLED) or "")[:64],
        caller=number_in(told, _CALLER),
    )


def number_in(attributes: dict[str, str], names: tuple[str, ...]) -> str | None:
    """Read a number from the first of the attributes that is there."""
    for name in names:
        value = attributes.get(name)
        if value:
            in_address = _USER.search(value)
            return (in_address[1] if in_address else value)[:64] or None
    return None


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
    return sip and "sip.callID" in participant.attributes


async def _refuse(context: JobContext, desk: Desk) -> None:
    await hang_up(desk.livekit().room, context.room.name)
