"""What LiveKit says about an end, in our words.

Source: the codes and reasons as livekit-server 1.13 and livekit-sip 1.8 were seen to give them; the
SIP responses themselves are judged by ``telephony.termination``.
"""

from __future__ import annotations

import re
from typing import Final

from livekit import api, rtc

from agent.ending import SUPERSEDED, Ending
from telephony.call import EndedReason
from telephony.carrier_signs import Sign, sign
from telephony.termination import reason_for_sip
from telephony.worker_contract import ReturnReason

_R = EndedReason
_D = rtc.DisconnectReason
_C = api.ServerErrorCode

#: The response that the bridge only writes into its message, as "302 Moved Temporarily".
_STATUS_IN_TEXT: Final = re.compile(r"\b([3-6]\d\d)\b[ :]+([A-Z][A-Za-z' ]+)")
#: A carrier that challenges again and again, or one that does although the trunk has no password.
_AUTH_IN_TEXT: Final = re.compile(r"max auth retry|required auth", re.IGNORECASE)
#: The carrier is not who it should be, speaks no TLS, or answers in clear what must be encrypted.
_ENCRYPTION_IN_TEXT: Final = re.compile(r"no common encryption profiles|\bx509: |\btls: ")
#: A bridge that is being stopped cancels what it was dialling.
_STOPPING_IN_TEXT: Final = re.compile(r"shutting down|shutdown", re.IGNORECASE)
#: Nobody offered to carry the request out.
_NO_BRIDGE: Final = re.compile(
    r"(?:twirp error \w+: )?"
    r"(?:no response from servers|no servers available \(received \d+ responses\)|cpu exhausted)"
)
#: The bridge's transaction is over, and it never saw a response.
_NO_RESPONSE_SEEN: Final = re.compile(
    r"(?:twirp error \w+: )?transaction failed to complete \(0 intermediate responses\)"
)
#: T1 of RFC 3261: before it no request is sent again.
_FIRST_REPEAT: Final = 0.5
#: The bridge found no address for the trunk, nobody listens there, or who does is not the carrier
#: (Go's words for a handshake of TLS that did not come to its end): nothing was sent.
_NOBODY_THERE: Final = re.compile(
    r"lookup \S+(?: on \S+)?: no such host|dial tcp \S+: connect: connection refused"
    r"|\bx509: |\btls: first record does not look like a TLS handshake"
)
#: Units: seconds. A trunk's own refusal comes at once; one that takes longer may be the word of
#: somebody whom the carrier asked meanwhile. Counted from our request to the bridge.
_AT_ONCE: Final = 5.0
#: What only the trunk says of itself, by status, where no phone rang.
_TRUNKS_OWN: Final = {
    401: ReturnReason.TRUNK_AUTH,
    403: ReturnReason.TRUNK_AUTH,
    407: ReturnReason.TRUNK_AUTH,
    500: ReturnReason.TRUNK_ERROR,
    502: ReturnReason.TRUNK_ERROR,
    503: ReturnReason.TRUNK_UNAVAILABLE,
    504: ReturnReason.TRUNK_ERROR,
}

#: Why an answered call is over, by the reason with which the other side left the room.
AFTER_ANSWER: Final[dict[rtc.DisconnectReason.ValueType, EndedReason]] = {
    _D.CLIENT_INITIATED: _R.CALLEE_HANGUP,
    _D.USER_UNAVAILABLE: _R.CALLEE_HANGUP,
    _D.USER_REJECTED: _R.CALLEE_HANGUP,
    _D.PARTICIPANT_REMOVED: _R.API_HANGUP,
    _D.ROOM_DELETED: _R.API_HANGUP,
    _D.ROOM_CLOSED: _R.API_HANGUP,
    _D.SERVER_SHUTDOWN: _R.MEDIA_SERVER_LOST,
    _D.MIGRATION: _R.MEDIA_SERVER_LOST,
    _D.SIP_TRUNK_FAILURE: _R.CARRIER_ERROR,
    _D.AGENT_ERROR: _R.AGENT_ERROR,
    _D.MEDIA_FAILURE: _R.MEDIA_TIMEOUT,
}

#: Our own connection to the room ended.
OWN_DISCONNECT: Final[dict[rtc.DisconnectReason.ValueType, EndedReason]] = {
    _D.ROOM_DELETED: _R.API_HANGUP,
    _D.ROOM_CLOSED: _R.API_HANGUP,
    _D.DUPLICATE_IDENTITY: _R.LOST,
}

#: No bridge took the call: the dialer has the permit back, and the call with it.
RETURNED: Final = Ending(_R.BRIDGE_LOST, message="no bridge took the call", superseded=True)

#: Somebody asked for the end.
ON_REQUEST: Final = frozenset({_D.PARTICIPANT_REMOVED, _D.ROOM_DELETED, _D.ROOM_CLOSED})


def left_after_answer(reason: rtc.DisconnectReason.ValueType | None, *, phone: bool) -> Ending:
    """Judge an answered call whose other side left.

    Shape: a browser that vanishes has hung up; a bridge that vanishes is lost.
    """
    known = AFTER_ANSWER.get(reason) if reason is not None else None
    if known is None:
        known = _R.BRIDGE_LOST if phone else _R.CALLEE_HANGUP
    return Ending(known)


def room_gone(reason: rtc.DisconnectReason.ValueType | None) -> Ending:
    """Judge a call whose room we were cut off from."""
    if reason == _D.PARTICIPANT_REMOVED:
        # Nobody takes an agent out of a call but to give the call to another one.
        return SUPERSEDED
    known = OWN_DISCONNECT.get(reason) if reason is not None else None
    return Ending(known or _R.MEDIA_SERVER_LOST)


def dial_failed(error: api.ServerError, *, rang: bool) -> Ending:
    """Judge a call that CreateSIPParticipant says was not answered."""
    status = _sip_status(error)
    if status is not None:
        code, phrase = status
        if sign(code, phrase) is Sign.BLOCKED:
            blocked = "the carrier blocks calls to this number"
            return Ending(_R.FORBIDDEN, sip_status_code=code, sip_status=phrase, message=blocked)
        return Ending(reason_for_sip(code), sip_status_code=code, sip_status=phrase)
    if _AUTH_IN_TEXT.search(error.message):
        return Ending(_R.TRUNK_AUTH, message="the carrier did not take the trunk's credentials")
    if _ENCRYPTION_IN_TEXT.search(error.message):
        failed = "TLS or SRTP with the carrier failed"
        return Ending(_R.TRUNK_MISCONFIGURED, message=failed)
    if _STOPPING_IN_TEXT.search(error.message):
        return Ending(_R.BRIDGE_LOST, message="the bridge was being stopped")
    if error.code in {_C.CANCELED, _C.DEADLINE_EXCEEDED}:
        return Ending(_R.RING_TIMEOUT if rang else _R.NO_RESPONSE)
    if error.code in {_C.NOT_FOUND, _C.INVALID_ARGUMENT, _C.UNAUTHENTICATED, _C.PERMISSION_DENIED}:
        return Ending(_R.TRUNK_MISCONFIGURED, message=f"the bridge said {error.code}")
    if error.code == _C.UNAVAILABLE:
        return Ending(_R.BRIDGE_LOST, message="the bridge is not available")
    return Ending(_R.CARRIER_ERROR, message=f"the bridge said {error.code}")


def carrier_wants_fewer(ending: Ending) -> bool:
    """Tell whether a carrier refused only because calls come too fast, or are too many at once."""
    return sign(ending.sip_status_code, ending.sip_status) is Sign.FEWER


def refused_by_trunk(error: api.ServerError, ending: Ending, took: float) -> ReturnReason | None:
    """Tell why the trunk itself refused, before the callee's network heard of the call; else None.

    Units: ``took`` in seconds. Shape: ask it only of a phone that never rang. The transaction is
    over, or none began, so that no phone rings any more; what the callee's side says (404, 480,
    486, 603 and their like) and what a codec, a silence or a carrier's block ends is none of these.
    Source: RFC 3261 sections 21.4, 21.5 and 16.7: a proxy does not pass a 503 on.
    """
    if _NOBODY_THERE.search(error.message):
        return ReturnReason.TRUNK_UNAVAILABLE
    if took > _AT_ONCE or sign(ending.sip_status_code, ending.sip_status) is not None:
        return None
    if ending.sip_status_code is None:
        return ReturnReason.TRUNK_AUTH if ending.reason is _R.TRUNK_AUTH else None
    return _TRUNKS_OWN.get(ending.sip_status_code)


def no_bridge_took_it(error: api.ServerError) -> bool:
    """Tell whether no bridge took the request, so that no INVITE can have left.

    Shape: only these words and no others around them, which may be a bridge's own that quotes them.
    Source: psrpc 0.7, ``selectServer``: the first two are said while a server is still being looked
    for, and none carries a request out that was not told to; livekit-server 1.13 sends each request
    once (``newSIPClient``). The third is livekit-sip 1.8 (``createSIPParticipant``), which looks at
    its CPU limit before it does anything.
    """
    return error.code == _C.UNAVAILABLE and _NO_BRIDGE.fullmatch(error.message) is not None


def lost_answer(error: api.ServerError, took: float) -> bool:
    """Tell whether the bridge itself lost the transaction, and with it what the carrier said.

    Units: ``took`` in seconds. A transaction without any answer fails after 64*T1, 32 seconds
    (RFC 3261 section 17.1.1.2); what fails long before had one.
    """
    return "transaction failed" in error.message and took < 5


def refusal_lost(error: api.ServerError, took: float) -> bool:
    """Tell whether the carrier refused at once and the bridge lost the refusal: nobody was rung.

    Units: ``took`` in seconds. Source: livekit-sip 1.8.0 on livekit/sipgo a5b4a38,
    ``transaction/client_tx.go``. ``Init`` writes the INVITE first and then sets Timer D; a final
    response of 300 or more that is there in between ends the transaction at once, and
    ``sipResponse`` may see the end before the response. Nothing else ends one before Timer A
    repeats the request: a 2xx keeps it for 32 s, a write that fails has its own words, and a bridge
    that stops says so. A provisional response, after which a phone may ring, counts as one.
    """
    at_once = error.code == _C.CANCELED and took < _FIRST_REPEAT
    return at_once and _NO_RESPONSE_SEEN.fullmatch(error.message) is not None


def _sip_status(error: api.ServerError) -> tuple[int, str | None] | None:
    if isinstance(error, api.SipCallError) and error.sip_status_code is not None:
        return error.sip_status_code, error.sip_status or None
    told = _STATUS_IN_TEXT.search(error.message)
    return (int(told.group(1)), told.group(2).strip()) if told else None
