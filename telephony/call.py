"""A call, its attempts, and the closed lists they are described with."""

from __future__ import annotations

import secrets
from datetime import datetime
from enum import StrEnum
from typing import NewType

CallId = NewType("CallId", str)
AttemptId = NewType("AttemptId", str)
TenantId = NewType("TenantId", str)

DEFAULT_TENANT = TenantId("default")


def new_call_id(now: datetime) -> CallId:
    """Make an unguessable id, as ``call_`` and 32 hexadecimal digits; later ones sort behind."""
    return CallId(f"call_{_digits(now)}")


def new_attempt_id(now: datetime) -> AttemptId:
    """Make an unguessable id, as ``att_`` and 32 hexadecimal digits; rooms are named after it."""
    return AttemptId(f"att_{_digits(now)}")


def _digits(now: datetime) -> str:
    """Give 48 bits of the time in milliseconds and 80 of chance, in the order of UUIDv7.

    Every index of the database begins with such ids: where they came in no order, each new row
    would touch a page of its own in each of them, and all those pages go to the disk.
    """
    return f"{int(now.timestamp() * 1000) & (1 << 48) - 1:012x}{secrets.token_hex(10)}"


class CallType(StrEnum):
    """How the other side is reached."""

    SIP = "sip"
    VOIP = "voip"


class Direction(StrEnum):
    """Who called whom, seen from us."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class CallStatus(StrEnum):
    """Where a call is on its road."""

    QUEUED = "queued"
    DISPATCHING = "dispatching"
    DIALING = "dialing"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    ENDED = "ended"


class AttemptState(StrEnum):
    """Where one attempt is; from ``sent`` on nobody dials it again.

    Shape: the one way back from ``sent`` is the permit's return, by an agent that knows that
    nothing left.
    """

    WAITING = "waiting"
    CLAIMED = "claimed"
    SENT = "sent"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class Outcome(StrEnum):
    """What became of the call, for the person who asked for it."""

    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    CANCELED = "canceled"
    INVALID_NUMBER = "invalid_number"
    FAILED = "failed"


class EndedReason(StrEnum):
    """Why it ended, for the person who must act on it."""

    BUSY = "busy"
    RING_TIMEOUT = "ring_timeout"
    UNAVAILABLE = "unavailable"
    DECLINED = "declined"
    UNALLOCATED = "unallocated"
    INCOMPLETE = "incomplete"
    TRUNK_AUTH = "trunk_auth"
    FORBIDDEN = "forbidden"
    CODEC = "codec"
    REDIRECTED = "redirected"
    CARRIER_ERROR = "carrier_error"
    CARRIER_UNAVAILABLE = "carrier_unavailable"
    NO_RESPONSE = "no_response"
    MEDIA_TIMEOUT = "media_timeout"
    CALLEE_HANGUP = "callee_hangup"
    CALLER_HANGUP = "caller_hangup"
    API_HANGUP = "api_hangup"
    AGENT_HANGUP = "agent_hangup"
    SILENCE = "silence"
    MAX_DURATION = "max_duration"
    CLOSED = "closed"
    BLOCKED = "blocked"
    NO_AGENT = "no_agent"
    LOST = "lost"
    BRIDGE_LOST = "bridge_lost"
    MEDIA_SERVER_LOST = "media_server_lost"
    AGENT_ERROR = "agent_error"
    TRUNK_MISCONFIGURED = "trunk_misconfigured"


class EndedBy(StrEnum):
    """Which party ended it."""

    CALLEE = "callee"
    CALLER = "caller"
    AGENT = "agent"
    API = "api"
    CARRIER = "carrier"
    PLATFORM = "platform"


class WaitingFor(StrEnum):
    """What a queued call waits for."""

    WORKER = "worker"
    CAPACITY = "capacity"
    PACING = "pacing"
    TRUNK = "trunk"
    MEDIA_SERVER = "media_server"
    #: The SIP bridge: none took the call when it was to be dialled.
    BRIDGE = "bridge"


class CauseSource(StrEnum):
    """Where a Q.850 cause comes from."""

    SIGNALLED = "signalled"
    DERIVED = "derived"
