"""The request that rings a phone."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from livekit import api

from telephony.dial_request import DialRequest
from telephony.worker_contract import CALLEE_IDENTITY

#: The header of the INVITE by which we and the carrier's support find the same call.
ATTEMPT_HEADER: Final = "X-Attempt-Id"

#: How much later than asked our own guards act, so that the bridge speaks first.
BRIDGE_GRACE: Final = timedelta(seconds=5)


def invitation(request: DialRequest, room: str) -> api.CreateSIPParticipantRequest:
    """Write the request that rings the phone.

    Shape: the bridge's own limit for the call counts from the dialling and is a guard behind the
    job's timer, so it is later than that. Errors: ValueError where the number or trunk is missing.
    """
    if request.phone_number is None or request.trunk_id is None:
        raise ValueError("a phone call needs a number and a trunk")
    limits = request.limits
    longest = limits.ring_timeout_seconds + limits.max_duration_seconds
    return api.CreateSIPParticipantRequest(
        sip_trunk_id=request.trunk_id,
        sip_call_to=request.phone_number,
        sip_number=request.caller_id or "",
        room_name=room,
        participant_identity=CALLEE_IDENTITY,
        participant_name="callee",
        hide_phone_number=True,
        headers={ATTEMPT_HEADER: request.attempt_id},
        play_dialtone=False,
        krisp_enabled=False,
        wait_until_answered=True,
        ringing_timeout=Duration(seconds=limits.ring_timeout_seconds),
        max_call_duration=Duration(seconds=longest + int(BRIDGE_GRACE.total_seconds())),
    )
