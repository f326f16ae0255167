"""How a call ended: SIP final response or event -> reason -> outcome -> Q.850 cause.

Source: RFC 3261 section 21 (responses), RFC 3398 section 8.2.6.1 (SIP response to cause), ITU-T
Q.850 (causes). One table for each step, one test for each row.
"""

from __future__ import annotations

from dataclasses import dataclass

from telephony.call import CauseSource, EndedBy, EndedReason, Outcome

_R = EndedReason
_O = Outcome

#: SIP final response -> why the call ended before it was answered.
REASON_BY_SIP: dict[int, EndedReason] = {
    401: _R.TRUNK_AUTH,
    407: _R.TRUNK_AUTH,
    403: _R.FORBIDDEN,
    404: _R.UNALLOCATED,
    408: _R.UNAVAILABLE,
    415: _R.CODEC,
    480: _R.UNAVAILABLE,
    484: _R.INCOMPLETE,
    486: _R.BUSY,
    488: _R.CODEC,
    500: _R.CARRIER_ERROR,
    502: _R.CARRIER_ERROR,
    503: _R.CARRIER_UNAVAILABLE,
    504: _R.CARRIER_ERROR,
    600: _R.BUSY,
    603: _R.DECLINED,
    604: _R.UNALLOCATED,
    606: _R.CODEC,
}

#: Reason -> outcome.
OUTCOME: dict[EndedReason, Outcome] = {
    _R.BUSY: _O.BUSY,
    _R.RING_TIMEOUT: _O.NO_ANSWER,
    _R.UNAVAILABLE: _O.NO_ANSWER,
    _R.DECLINED: _O.DECLINED,
    _R.UNALLOCATED: _O.INVALID_NUMBER,
    _R.INCOMPLETE: _O.INVALID_NUMBER,
    _R.TRUNK_AUTH: _O.FAILED,
    _R.FORBIDDEN: _O.FAILED,
    _R.CODEC: _O.FAILED,
    _R.REDIRECTED: _O.FAILED,
    _R.CARRIER_ERROR: _O.FAILED,
    _R.CARRIER_UNAVAILABLE: _O.FAILED,
    _R.NO_RESPONSE: _O.FAILED,
    _R.NO_AGENT: _O.FAILED,
    _R.LOST: _O.FAILED,
    _R.BRIDGE_LOST: _O.FAILED,
    _R.MEDIA_SERVER_LOST: _O.FAILED,
    _R.AGENT_ERROR: _O.FAILED,
    _R.TRUNK_MISCONFIGURED: _O.FAILED,
    _R.CALLEE_HANGUP: _O.COMPLETED,
    _R.CLOSED: _O.COMPLETED,
    _R.BLOCKED: _O.DECLINED,
    _R.AGENT_HANGUP: _O.COMPLETED,
    _R.SILENCE: _O.COMPLETED,
    _R.MAX_DURATION: _O.COMPLETED,
    # These depend on how far the call had come; see outcome().
    _R.CALLER_HANGUP: _O.COMPLETED,
    _R.API_HANGUP: _O.COMPLETED,
    _R.MEDIA_TIMEOUT: _O.COMPLETED,
}

#: SIP final response -> Q.850 cause. Source: RFC 3398 section 8.2.6.1.
CAUSE_BY_SIP: dict[int, int] = {
    401: 21,
    402: 21,
    403: 21,
    404: 1,
    405: 63,
    406: 79,
    407: 21,
    408: 102,
    410: 22,
    413: 127,
    414: 127,
    415: 79,
    416: 127,
    420: 127,
    421: 127,
    423: 127,
    480: 18,
    481: 41,
    482: 25,
    483: 25,
    484: 28,
    485: 1,
    486: 17,
    488: 31,
    500: 41,
    501: 79,
    502: 38,
    503: 41,
    504: 102,
    505: 127,
    513: 127,
    600: 17,
    603: 21,
    604: 1,
    606: 31,
}

#: Reason -> Q.850 cause, where no SIP code was told.
CAUSE_BY_REASON: dict[EndedReason, int] = {
    _R.BUSY: 17,
    _R.UNAVAILABLE: 18,
    _R.DECLINED: 21,
    _R.UNALLOCATED: 1,
    _R.INCOMPLETE: 28,
    _R.TRUNK_AUTH: 21,
    _R.FORBIDDEN: 21,
    _R.CODEC: 31,
    _R.CARRIER_ERROR: 41,
    _R.CARRIER_UNAVAILABLE: 41,
    _R.CALLEE_HANGUP: 16,
    _R.CALLER_HANGUP: 16,
    _R.CLOSED: 16,
    _R.BLOCKED: 21,
    _R.AGENT_HANGUP: 16,
    _R.API_HANGUP: 16,
    _R.SILENCE: 16,
    _R.MAX_DURATION: 16,
    _R.RING_TIMEOUT: 19,
    _R.NO_RESPONSE: 18,
    _R.REDIRECTED: 23,
    _R.MEDIA_TIMEOUT: 41,
    _R.NO_AGENT: 41,
    _R.LOST: 41,
    _R.BRIDGE_LOST: 41,
    _R.MEDIA_SERVER_LOST: 41,
    _R.AGENT_ERROR: 41,
    _R.TRUNK_MISCONFIGURED: 41,
}


#: Ends on request, which before the answer are no conversation.
_BEFORE_THE_ANSWER = frozenset({_R.API_HANGUP, _R.CALLER_HANGUP})


def reason_for_sip(code: int) -> EndedReason:
    """Name the reason for a SIP final response that ended the call before it was answered."""
    if code in REASON_BY_SIP:
        return REASON_BY_SIP[code]
    if 300 <= code < 400:
        return _R.REDIRECTED
    return _R.CARRIER_ERROR


def outcome(reason: EndedReason, *, answered: bool, media_seen: bool = True) -> Outcome:
    """Name the outcome for a reason, given how far the call had come.

    Shape: ``answered`` is whether 200 OK was seen; ``media_seen`` whether any RTP of the callee's
    arrived.
    """
    if reason in _BEFORE_THE_ANSWER and not answered:
        return _O.CANCELED
    if reason is _R.MEDIA_TIMEOUT and not (answered and media_seen):
        return _O.FAILED
    return OUTCOME[reason]


@dataclass(frozen=True, slots=True)
class Cause:
    """A Q.850 cause and where it comes from."""

    code: int
    source: CauseSource


def cause(
    reason: EndedReason, *, sip_status_code: int | None, signalled: int | None = None
) -> Cause | None:
    """Give the Q.850 cause: the signalled one, else derived from the SIP code, else the reason."""
    if signalled is not None:
        return Cause(signalled, CauseSource.SIGNALLED)
    if sip_status_code is not None and sip_status_code in CAUSE_BY_SIP:
        return Cause(CAUSE_BY_SIP[sip_status_code], CauseSource.DERIVED)
    derived = CAUSE_BY_REASON.get(reason)
    return None if derived is None else Cause(derived, CauseSource.DERIVED)


#: Who ends a call for each reason, where the witness did not say.
ENDED_BY: dict[EndedReason, EndedBy] = {
    _R.CALLEE_HANGUP: EndedBy.CALLEE,
    _R.CALLER_HANGUP: EndedBy.CALLER,
    _R.BUSY: EndedBy.CALLEE,
    _R.DECLINED: EndedBy.CALLEE,
    _R.AGENT_HANGUP: EndedBy.AGENT,
    _R.SILENCE: EndedBy.AGENT,
    _R.API_HANGUP: EndedBy.API,
    _R.RING_TIMEOUT: EndedBy.PLATFORM,
    _R.MAX_DURATION: EndedBy.PLATFORM,
    _R.CLOSED: EndedBy.PLATFORM,
    _R.BLOCKED: EndedBy.PLATFORM,
    _R.MEDIA_TIMEOUT: EndedBy.PLATFORM,
    _R.NO_RESPONSE: EndedBy.PLATFORM,
    _R.NO_AGENT: EndedBy.PLATFORM,
    _R.LOST: EndedBy.PLATFORM,
    _R.BRIDGE_LOST: EndedBy.PLATFORM,
    _R.MEDIA_SERVER_LOST: EndedBy.PLATFORM,
    _R.AGENT_ERROR: EndedBy.PLATFORM,
    _R.TRUNK_MISCONFIGURED: EndedBy.PLATFORM,
    _R.UNAVAILABLE: EndedBy.CARRIER,
    _R.UNALLOCATED: EndedBy.CARRIER,
    _R.INCOMPLETE: EndedBy.CARRIER,
    _R.TRUNK_AUTH: EndedBy.CARRIER,
    _R.FORBIDDEN: EndedBy.CARRIER,
    _R.CODEC: EndedBy.CARRIER,
    _R.REDIRECTED: EndedBy.CARRIER,
    _R.CARRIER_ERROR: EndedBy.CARRIER,
    _R.CARRIER_UNAVAILABLE: EndedBy.CARRIER,
}
