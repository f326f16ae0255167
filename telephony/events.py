"""Everything that is reported of a call: by the dialer, its worker, LiveKit or an operator.

An event is stored once, in the order in which it was learned; ``sequence`` numbers it within its
call. Its ``data`` is checked against the model that DATA lists for its type.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from telephony.call import CauseSource, EndedBy, EndedReason, Outcome, WaitingFor


class EventType(StrEnum):
    """The closed list of event types; the public event stream shows all of them."""

    CALL_QUEUED = "call.queued"
    CALL_RECEIVED = "call.received"
    CALL_ROUTED = "call.routed"
    CALL_WAITING = "call.waiting"
    CALL_DISPATCHING = "call.dispatching"
    CALL_REQUEUED = "call.requeued"
    CALL_AGENT_JOINED = "call.agent_joined"
    CALL_AGENT_READY = "call.agent_ready"
    CALL_DIALING = "call.dialing"
    CALL_RINGING = "call.ringing"
    CALL_ANSWERED = "call.answered"
    CALL_TURN = "call.turn"
    CALL_AGENT_LOST = "call.agent_lost"
    CALL_AGENT_RESCUED = "call.agent_rescued"
    CALL_OVERFLOWED = "call.overflowed"
    CALL_OVERFLOW_ANSWERED = "call.overflow_answered"
    CALL_APOLOGISED = "call.apologised"
    CALL_DTMF = "call.dtmf"
    CALL_HANGUP_REQUESTED = "call.hangup_requested"
    CALL_RECORDING_READY = "call.recording_ready"
    CALL_WARNING = "call.warning"
    CALL_ENDED = "call.ended"
    ROOM_PARTICIPANT_JOINED = "room.participant_joined"
    ROOM_PARTICIPANT_LEFT = "room.participant_left"
    ROOM_FINISHED = "room.finished"


class Source(StrEnum):
    """Who saw it."""

    DIALER = "dialer"
    WORKER = "worker"
    LIVEKIT = "livekit"


#: All but tab and line feed: a carrier may send them, and Postgres keeps no text with a NUL.
_CONTROLS: Final = dict.fromkeys([*range(9), *range(11, 32), 127])


class Data(BaseModel):
    """Base of every event's data: closed, so that a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """Leave control characters out of texts; a whole event is worth more than they are."""
        return value.translate(_CONTROLS) if type(value) is str else value


class Nothing(Data):
    """No data beyond the type and the time."""


class Received(Data):
    """Somebody calls one of our numbers; ``bridge_call_id`` is the bridge's name for the call."""

    bridge_call_id: str


class RoutedBy(StrEnum):
    """What came of the question to a number's webhook."""

    CHOSEN = "chosen"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    #: Its address is one that is never called.
    FORBIDDEN = "forbidden"
    BAD_STATUS = "bad_status"
    TOO_LARGE = "too_large"
    BAD_ANSWER = "bad_answer"
    UNKNOWN_AGENT = "unknown_agent"
    #: The kept secret cannot be opened with the keys of this deployment.
    NO_SECRET = "no_secret"


class Routed(Data):
    """The number's webhook was asked which agent answers.

    Shape: ``agent`` is who answers, the number's own one where the webhook did not choose; None
    where the call was rejected. ``status`` is the webhook's HTTP status, where it gave one.
    """

    result: RoutedBy
    agent: str | None = None
    status: int | None = None
    took_ms: int = 0


class OverflowWhy(StrEnum):
    """Why a caller was taken by the dialer itself."""

    #: No worker offered the call in time.
    NO_AGENT = "no_agent"
    #: The agents that had it were lost, and none was free to go on.
    AGENT_LOST = "agent_lost"
    #: Its agent could not be made to speak.
    AGENT_ERROR = "agent_error"
    #: Outside the hours of a number that has no words for it.
    CLOSED = "closed"


class Overflowed(Data):
    """The overflow number is dialled; the caller hears ringing.

    Shape: ``trunk`` names the trunk that the INVITE leaves by.
    """

    why: OverflowWhy
    trunk: str


class Apologised(Data):
    """Nobody could be found for the caller, who is told so and hung up."""

    why: OverflowWhy


class Waiting(Data):
    """The call waits, and for what."""

    waiting_for: WaitingFor


class Dispatching(Data):
    """The attempt was claimed and a worker asked for; ``dispatch`` counts from 1.

    Shape: ``trunk`` names the trunk that it is to leave by, None for a browser's call.
    """

    dispatch: int = 1
    trunk: str | None = None


class Requeued(Data):
    """The attempt waits again.

    Shape: where a trunk refused the call before the callee's network, ``trunk`` names it and
    ``why`` is the reason that its worker gave.
    """

    trunk: str | None = None
    why: str | None = None


class AgentJoined(Data):
    """A worker took the job and is in the room."""

    worker_id: str = Field(max_length=128)


class AgentLost(Data):
    """The agent of an answered call is gone or stuck; ``rescue`` counts the rescues from 1."""

    why: Literal["worker_silent", "call_not_held", "agent_stuck", "agent_left"]
    rescue: int


class AgentRescued(Data):
    """Another agent speaks with the callee now."""

    worker_id: str
    rescue: int


class Turn(Data):
    """One turn of words by one side, final.

    Units: ``started_at`` and ``ended_at`` are times of day; None where the engine tells none.
    """

    speaker: Literal["agent", "callee", "caller"]
    text: str
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    interrupted: bool = False


class Dtmf(Data):
    """One key, heard from the callee or sent to them."""

    digit: str = Field(pattern=r"^[0-9A-D*#]$")
    direction: Literal["received", "sent"]


class RecordingReady(Data):
    """The audio of both sides is on the worker's disk.

    Shape: two channels, callee left and agent right. Units: seconds.
    """

    path: str
    duration_seconds: float
    #: Counts from 1; an agent that took the call over records a part of its own.
    part: int = 1
    channels: int = 2
    sample_rate: int


class Warned(Data):
    """Something went wrong that did not end the call; ``code`` is a stable word."""

    code: str
    message: str


class Ended(Data):
    """How it ended.

    Shape: a worker sends the reason and what the bridge told; outcome and cause are derived by
    ``telephony.termination`` and filled in by the recorder.
    """

    ended_reason: EndedReason
    ended_by: EndedBy
    outcome: Outcome | None = None
    sip_status_code: int | None = None
    sip_status: str | None = None
    hangup_cause: int | None = None
    hangup_cause_source: CauseSource | None = None
    message: str | None = None
    #: Whether any audio of the callee's arrived; None where nobody could tell.
    media_seen: bool | None = None


class RoomParticipant(Data):
    """LiveKit's own word about a participant; identities hold nothing personal."""

    identity: str
    kind: str
    disconnect_reason: str | None = None


DATA: dict[EventType, type[Data]] = {
    EventType.CALL_QUEUED: Nothing,
    EventType.CALL_RECEIVED: Received,
    EventType.CALL_ROUTED: Routed,
    EventType.CALL_WAITING: Waiting,
    EventType.CALL_DISPATCHING: Dispatching,
    EventType.CALL_REQUEUED: Requeued,
    EventType.CALL_AGENT_JOINED: AgentJoined,
    EventType.CALL_AGENT_READY: Nothing,
    EventType.CALL_DIALING: Nothing,
    EventType.CALL_RINGING: Nothing,
    EventType.CALL_ANSWERED: Nothing,
    EventType.CALL_TURN: Turn,
    EventType.CALL_AGENT_LOST: AgentLost,
    EventType.CALL_AGENT_RESCUED: AgentRescued,
    EventType.CALL_OVERFLOWED: Overflowed,
    EventType.CALL_OVERFLOW_ANSWERED: Nothing,
    EventType.CALL_APOLOGISED: Apologised,
    EventType.CALL_DTMF: Dtmf,
    EventType.CALL_HANGUP_REQUESTED: Nothing,
    EventType.CALL_RECORDING_READY: RecordingReady,
    EventType.CALL_WARNING: Warned,
    EventType.CALL_ENDED: Ended,
    EventType.ROOM_PARTICIPANT_JOINED: RoomParticipant,
    EventType.ROOM_PARTICIPANT_LEFT: RoomParticipant,
    EventType.ROOM_FINISHED: Nothing,
}


class CallEvent(BaseModel):
    """One event as its witness reports it.

    Shape: ``source_sequence`` counts from 1 for each attempt and source (and for LiveKit is the
    id of its webhook); the pair is unique, so that a report that comes twice is one event.
    """

    model_config = ConfigDict(frozen=True)

    type: EventType
    source: Source
    source_sequence: str
    occurred_at: datetime
    data: Data
