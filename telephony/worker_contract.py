"""What worker and dialer say to each other over HTTP.

- ``PUT /internal/workers/{worker_id}``: WorkerPresence, bearer token of that worker; 200 Welcome.
- ``GET /internal/workers/{worker_id}/job?free=N&livekit=NAME``: bearer token of that worker;
  200 Job as soon as there is one in that LiveKit, by default our own, or 204 after ``JOB_WAIT``.
- ``POST /internal/attempts/{attempt_id}/permit``: PermitRequest, bearer token of that attempt;
  200 Permit, or 409 with the problem code ``permit_refused``.
- ``POST /internal/attempts/{attempt_id}/permit/withdraw``: PermitRequest, bearer token of that
  attempt; 200 Returned, whatever became of the permit. From whoever heard no answer and left.
- ``POST /internal/attempts/{attempt_id}/permit/return``: Return, bearer token of that attempt;
  200 Returned, or 409 with the problem code ``permit_refused``. Only for whoever knows that nobody
  was rung with the permit, and nobody will be.
- ``POST /internal/attempts/{attempt_id}/events``: EventBatch, bearer token of that attempt;
  200 Acknowledged.
- ``POST /internal/inbound``: InboundOffer, bearer token of the worker; 200 InboundAnswer.
- ``GET /internal/attempts/{attempt_id}``: bearer token of that attempt; 200 Standing.
- ``POST /internal/attempts/{attempt_id}/handover``: HandOver, bearer token of that attempt;
  200 HandedOver. Only before the caller was answered.
- ``POST /internal/attempts/{attempt_id}/takeover``: TakeOver, bearer token of that attempt;
  200 Standing.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from telephony.call import Direction
from telephony.events import EventType

PRESENCE_INTERVAL = timedelta(seconds=1)
PRESENCE_EXPIRY = timedelta(seconds=6)
#: A worker that was not heard of for so long has lost its calls: somebody else takes them over.
PRESENCE_SILENT = timedelta(seconds=4)
#: How long a worker's question for a job stays open; shorter than a dialer that stops waits.
JOB_WAIT = timedelta(seconds=2)

#: Who is who in a room; a room belongs to one attempt, so these are unique in it.
CALLEE_IDENTITY = "callee"
BROWSER_IDENTITY = "browser"
AGENT_IDENTITY_PREFIX = "agent-"
#: Of a call that came in and whose caller the dialer itself looks after.
OVERFLOW_IDENTITY = "overflow"
ANNOUNCER_IDENTITY = "announcer"


class Message(BaseModel):
    """Base of the messages: closed, so that a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LiveKitName(StrEnum):
    """Which LiveKit: our own, or the one that stands in while that is down."""

    OWN = "own"
    FALLBACK = "fallback"


class WorkerPresence(Message):
    """A worker says that it is there and what it can take.

    Units: ``capacity`` and ``live_calls`` in calls.
    """

    capacity: int = Field(ge=0)
    live_calls: int = Field(ge=0)
    version: str
    draining: bool = False
    #: The LiveKit agent name that the worker is registered under.
    agent_name: str
    #: The LiveKit that it is registered with, and whose rooms it can be asked into.
    livekit: LiveKitName = LiveKitName.OWN
    #: Whether its registration with LiveKit stands; a worker that is cut off can take nothing.
    registered: bool = True
    #: Since when that registration stands, by the worker's own clock.
    registered_at: AwareDatetime | None = None
    #: The attempts that it holds; None from a worker that does not tell.
    holds: list[str] | None = Field(default=None, max_length=1000)
    #: The attempts of its that stopped responding and that it has given up.
    stuck: list[str] = Field(default_factory=list[str], max_length=1000)


class PhraseWanted(Message):
    """What an agent says, and in whose voice, when it steps in for another."""

    model: str
    voice: str
    text: str


class Welcome(Message):
    """What a worker is to have ready before anybody needs it."""

    phrases: list[PhraseWanted] = Field(default_factory=list[PhraseWanted])


class Job(Message):
    """A room to join, and the DialRequest that says what for."""

    room: str
    metadata: str = Field(repr=False)


class PermitRequest(Message):
    """A job asks for the permit, or says that it heard no answer and asks no more.

    Shape: ``asked_by`` names one asking, however often it is sent: whoever heard no answer may ask
    again and gets what is its own.
    """

    asked_by: str = Field(min_length=1, max_length=64)


class Permit(Message):
    """The one door to an INVITE is open, once."""

    granted: bool = True


class ReturnReason(StrEnum):
    """Why nobody was rung with a permit."""

    #: No bridge took the request: nothing left.
    NO_BRIDGE = "no_bridge"
    #: The carrier refused the INVITE because calls come too fast for it, or are too many.
    TOO_FAST = "too_fast"
    #: The carrier refused the INVITE at once, and the bridge lost what it said.
    REFUSAL_LOST = "refusal_lost"
    #: The trunk itself refused the INVITE before the callee's network heard of it: it takes no
    #: calls now, it failed, or it does not take ours. Another trunk may.
    TRUNK_UNAVAILABLE = "trunk_unavailable"
    TRUNK_ERROR = "trunk_error"
    TRUNK_AUTH = "trunk_auth"


class Return(Message):
    """A permit comes back."""

    why: ReturnReason


class Returned(Message):
    """The permit is taken back: leave the room without a word."""

    returned: bool = True


class TakeOver(Message):
    """A worker wants to be the one that takes a conversation over; one of those asked may."""

    worker_id: str = Field(min_length=1, max_length=128)


class HandOver(Message):
    """An agent cannot speak with a caller whom it has not answered yet.

    Shape: ``can_apologise`` where it could at least answer and say sorry by itself.
    """

    can_apologise: bool = False


class HandedOver(Message):
    """Whether the dialer has the caller from now on: then leave the room as it is."""

    taken: bool


class Standing(Message):
    """Whether the asker still is the agent of this attempt."""

    current: bool


class InboundJob(Message):
    """The metadata of the job that a dispatch rule starts: a call that came in, still unknown."""

    # The rule is written by an operator's tool, which may have more to say.
    model_config = ConfigDict(extra="ignore", frozen=True)

    direction: Literal[Direction.INBOUND] = Direction.INBOUND


class InboundOffer(Message):
    """A call came in, and its agent asks the dialer what to do with it.

    Shape: ``asked_by`` names one asking, however often it is sent. ``bridge_call_id`` is the
    bridge's own name for the call. ``called`` and ``caller`` are what the bridge tells of the
    numbers, as it tells them; ``caller`` is None where it was withheld.
    """

    asked_by: str = Field(min_length=1, max_length=64)
    bridge_call_id: str = Field(min_length=1, max_length=64)
    room: str = Field(min_length=1, max_length=128)
    leg_identity: str = Field(min_length=1, max_length=128, repr=False)
    called: str = Field(max_length=64, repr=False)
    caller: str | None = Field(default=None, max_length=64, repr=False)


class InboundRefused(StrEnum):
    """Why an inbound call gets no agent."""

    #: The number is nobody's here, or was switched off.
    UNKNOWN_NUMBER = "unknown_number"
    #: The number's owner takes no calls from this caller.
    BLOCKED = "blocked"
    #: The number's agent is not in the agents file, or needs what an inbound call does not give.
    NO_AGENT = "no_agent"
    #: Another agent has the call: leave it alone.
    TAKEN = "taken"
    #: The call is over.
    OVER = "over"


class InboundAnswer(Message):
    """What to do with an inbound call: answer it as briefed, or refuse it.

    Shape: ``request`` is a DialRequest; one of the two is set.
    """

    request: str | None = Field(default=None, repr=False)
    refused: InboundRefused | None = None


class ReportedEvent(Message):
    """One event of the worker's; ``sequence`` counts from 1 within the attempt, without gaps."""

    sequence: int = Field(ge=1)
    type: EventType
    occurred_at: AwareDatetime
    data: dict[str, Any] = Field(default_factory=dict[str, Any])


class EventBatch(Message):
    """Events in the order of their sequence."""

    events: list[ReportedEvent] = Field(min_length=1, max_length=500)


class Acknowledged(Message):
    """All events up to ``acknowledged`` are stored; the worker may forget them.

    Shape: ``superseded`` tells that another agent has this attempt now.
    """

    acknowledged: int
    superseded: bool = False
