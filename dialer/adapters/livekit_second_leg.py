"""Rings a second phone into a caller's room, by LiveKit's SIP bridge."""

from __future__ import annotations

from typing import Final

import aiohttp
from google.protobuf.duration_pb2 import Duration
from livekit import api

from dialer.adapters.livekit_session import LiveKitSession
from dialer.inbound.second_leg import Invitation, NotReached
from telephony.call import EndedReason
from telephony.errors import Unavailable
from telephony.termination import reason_for_sip
from telephony.worker_contract import OVERFLOW_IDENTITY

#: The header of every INVITE by which a carrier's support and we find the same call.
_ATTEMPT_HEADER: Final = "X-Attempt-Id"
#: Units: seconds. How much later than asked the bridge may say that nobody answered.
_GRACE: Final = 5

_MISCONFIGURED: Final = {
    api.ServerErrorCode.NOT_FOUND,
    api.ServerErrorCode.INVALID_ARGUMENT,
    api.ServerErrorCode.UNAUTHENTICATED,
    api.ServerErrorCode.PERMISSION_DENIED,
}
_CANCELLED: Final = {api.ServerErrorCode.CANCELED, api.ServerErrorCode.DEADLINE_EXCEEDED}


class LiveKitSecondLegs:
    """The port ``dialer.inbound.second_leg.SecondLegs`` over LiveKit's API."""

    def __init__(self, session: LiveKitSession) -> None:
        self._livekit = session

    async def ring(self, wanted: Invitation) -> NotReached | None:
        """Send one request, and wait for the answer."""
        timeout = wanted.ring.total_seconds() + _GRACE
        try:
            sip = self._livekit.client.sip
            await sip.create_sip_participant(_request(wanted), timeout=timeout)
        except api.ServerError as error:
            return _judged(error)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable("media_server_unavailable", "LiveKit cannot be reached.") from error
        return None


def _request(wanted: Invitation) -> api.CreateSIPParticipantRequest:
    ring, longest = int(wanted.ring.total_seconds()), int(wanted.longest.total_seconds())
    return api.CreateSIPParticipantRequest(
        sip_trunk_id=wanted.trunk_id,
        sip_call_to=wanted.number,
        sip_number=wanted.shows,
        room_name=wanted.room,
        participant_identity=OVERFLOW_IDENTITY,
        participant_name=OVERFLOW_IDENTITY,
        hide_phone_number=True,
        headers={_ATTEMPT_HEADER: wanted.attempt_id},
        # The caller is answered as soon as a second phone is in the room: the tone of a ringing
        # phone is what is heard until somebody takes it up.
        play_dialtone=True,
        krisp_enabled=False,
        wait_until_answered=True,
        ringing_timeout=Duration(seconds=ring),
        max_call_duration=Duration(seconds=ring + longest + _GRACE),
    )


def _judged(error: api.ServerError) -> NotReached:
    if isinstance(error, api.SipCallError) and error.sip_status_code is not None:
        return NotReached(reason_for_sip(error.sip_status_code), error.sip_status_code)
    if error.code in _CANCELLED:
        return NotReached(EndedReason.RING_TIMEOUT)
    if error.code in _MISCONFIGURED:
        return NotReached(EndedReason.TRUNK_MISCONFIGURED)
    if error.code == api.ServerErrorCode.UNAVAILABLE:
        return NotReached(EndedReason.BRIDGE_LOST)
    return NotReached(EndedReason.CARRIER_ERROR)
