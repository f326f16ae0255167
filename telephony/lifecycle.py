"""The life of a call: one table, and nothing about it anywhere else.

Rule 1: everything that decides a status is in TRANSITIONS. Rule 2: an event that the table does not
list for a status changes nothing; callers store it all the same, because late and repeated events
are facts too. The diagram in ``docs/architecture.md`` is generated from this table.
"""

from __future__ import annotations

from telephony.call import AttemptState, CallStatus
from telephony.errors import IllegalTransition
from telephony.events import EventType

_S = CallStatus
_E = EventType

#: What a call begins with, and as what: one that we make is queued, one that comes in rings.
BIRTH: dict[EventType, CallStatus] = {
    _E.CALL_QUEUED: _S.QUEUED,
    _E.CALL_RECEIVED: _S.RINGING,
}

TRANSITIONS: dict[CallStatus, dict[EventType, CallStatus]] = {
    _S.QUEUED: {
        _E.CALL_DISPATCHING: _S.DISPATCHING,
        _E.CALL_ENDED: _S.ENDED,
    },
    _S.DISPATCHING: {
        # A dispatch that nobody took goes back: no permit was given, so nobody was rung.
        _E.CALL_REQUEUED: _S.QUEUED,
        _E.CALL_DIALING: _S.DIALING,
        # A browser joins by itself: nobody dials, nothing rings.
        _E.CALL_ANSWERED: _S.IN_PROGRESS,
        _E.CALL_ENDED: _S.ENDED,
    },
    _S.DIALING: {
        # The permit was returned: no bridge took the request, so nobody was rung.
        _E.CALL_REQUEUED: _S.QUEUED,
        _E.CALL_RINGING: _S.RINGING,
        _E.CALL_ANSWERED: _S.IN_PROGRESS,
        _E.CALL_ENDED: _S.ENDED,
    },
    _S.RINGING: {
        _E.CALL_ANSWERED: _S.IN_PROGRESS,
        _E.CALL_ENDED: _S.ENDED,
    },
    _S.IN_PROGRESS: {
        _E.CALL_ENDED: _S.ENDED,
    },
    _S.ENDED: {},
}

#: The attempt's state that goes with each status of its call.
ATTEMPT_STATE: dict[CallStatus, AttemptState] = {
    _S.QUEUED: AttemptState.WAITING,
    _S.DISPATCHING: AttemptState.CLAIMED,
    _S.DIALING: AttemptState.SENT,
    _S.RINGING: AttemptState.RINGING,
    _S.IN_PROGRESS: AttemptState.ANSWERED,
    _S.ENDED: AttemptState.ENDED,
}


def apply(status: CallStatus, event: EventType) -> CallStatus:
    """Give the status after the event.

    Errors: IllegalTransition where the table does not list the event for this status.
    """
    try:
        return TRANSITIONS[status][event]
    except KeyError:
        raise IllegalTransition(status, event) from None


def advance(status: CallStatus, event: EventType) -> CallStatus:
    """Give the status after the event; the same status where the event changes nothing."""
    return TRANSITIONS[status].get(event, status)


def mermaid() -> str:
    """Draw BIRTH and TRANSITIONS as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {status}: {event}" for event, status in BIRTH.items()]
    for status, row in TRANSITIONS.items():
        lines += [f"    {status} --> {after}: {event}" for event, after in row.items()]
    return "\n".join([*lines, "    ended --> [*]"]) + "\n"
