"""The public shapes of a call: what is asked for, and what is told."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from telephony.call import (
    CallStatus,
    CallType,
    CauseSource,
    Direction,
    EndedBy,
    EndedReason,
    Outcome,
    WaitingFor,
)
from telephony.events import EventType, Source

#: Units: bytes of compact JSON in UTF-8.
MAX_METADATA = 16 * 1024
MAX_VARIABLES = 16 * 1024
MAX_METADATA_DEPTH = 8

RING_TIMEOUT = (5, 80)
MAX_DURATION = (10, 14_400)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_type", "Send a text, or leave the field out")
    return value


def _seconds(low: int, high: int) -> BeforeValidator:
    told = {"wanted": f"a whole number of seconds from {low} to {high}"}

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PydanticCustomError("invalid_type", "Send {wanted}", told)
        if isinstance(value, float) and math.isfinite(value) and not value.is_integer():
            raise PydanticCustomError("invalid_type", "Send {wanted}", told)
        if not low <= value <= high:
            raise PydanticCustomError("out_of_range", "Send {wanted}", told)
        return int(value)

    return BeforeValidator(check)


def _size(value: object) -> int:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8"))


def depth(value: object) -> int:
    """Count how deeply objects and lists are nested in each other; a plain value has depth 0."""
    deepest = 0
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        part, level = waiting.pop()
        if isinstance(part, dict | list):
            deepest = max(deepest, level)
            children: Any = part.values() if isinstance(part, dict) else part  # pyright: ignore[reportUnknownVariableType]
            waiting.extend((child, level + 1) for child in children)
    return deepest


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    if depth(value) > MAX_METADATA_DEPTH:
        raise PydanticCustomError(
            "too_deep",
            "Metadata is nested at most {most} levels deep",
            {"most": MAX_METADATA_DEPTH},
        )
    if _size(value) > MAX_METADATA:
        most = {"most": MAX_METADATA // 1024}
        raise PydanticCustomError("too_large", "Metadata is at most {most} KB", most)
    return value


def _variables(value: dict[str, str]) -> dict[str, str]:
    if len(value) > 64 or _size(value) > MAX_VARIABLES:
        raise PydanticCustomError(
            "too_large",
            "Variables are at most 64, and {most} KB together",
            {"most": MAX_VARIABLES // 1024},
        )
    return value


VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class PlaceCall(BaseModel):
    """A call to place."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "phone_number": "+14155550100",
                    "agent": "default",
                    "variables": {"customer_name": "Sam"},
                    "metadata": {"order": "A-1001"},
                }
            ]
        },
    )

    call_type: CallType = Field(
        default=CallType.SIP, description="`sip` rings a phone, `voip` waits for a browser."
    )
    phone_number: Annotated[str | SkipJsonSchema[None], BeforeValidator(_text)] = Field(
        default=None,
        description="Whom to call, in E.164; required for sip, not taken for voip.",
        examples=["+14155550100"],
        repr=False,
    )
    caller_id: Annotated[str | SkipJsonSchema[None], BeforeValidator(_text)] = Field(
        default=None,
        description="The number to call from, one of a trunk's, which then carries the call; by "
        "default the first one of the trunk that the call leaves by.",
        examples=["+14155550190"],
        repr=False,
    )
    agent: str = Field(
        default="default", max_length=64, description="Name of the agent that holds the talk."
    )
    variables: Annotated[dict[VariableName, str], AfterValidator(_variables)] = Field(
        default_factory=dict[str, str],
        description="What replaces `{names}` in the agent's texts; texts only.",
        repr=False,
    )
    metadata: Annotated[dict[str, Any], AfterValidator(_metadata)] = Field(
        default_factory=dict[str, Any],
        description="Anything of yours: kept with the call and given back, at most 16 KB, 8 deep.",
        repr=False,
    )
    ring_timeout_seconds: Annotated[int, _seconds(*RING_TIMEOUT)] = Field(
        default=30, ge=RING_TIMEOUT[0], le=RING_TIMEOUT[1], description="How long it may ring."
    )
    max_duration_seconds: Annotated[int, _seconds(*MAX_DURATION)] = Field(
        default=600,
        ge=MAX_DURATION[0],
        le=MAX_DURATION[1],
        description="How long the talk may last.",
    )


class Sip(BaseModel):
    """The carrier's final answer; null where the bridge tells none."""

    status_code: int | None = None
    status: str | None = None


class Timestamps(BaseModel):
    """When each status was reached, in UTC; null for those that were not."""

    queued_at: datetime
    dispatching_at: datetime | None = None
    dialing_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None


class Links(BaseModel):
    """Where the call's other sides are, as paths of this API."""

    self: str
    events: str
    transcript: str
    hangup: str


class CallView(BaseModel):
    """A call as it is told."""

    id: str = Field(examples=["call_6f1d0c3b8a9e4f7d92b1c05e7a48d3f6"])
    call_type: CallType
    direction: Direction
    status: CallStatus
    phone_number: str | None = Field(
        default=None,
        repr=False,
        description="The number that is dialled, in E.164; of a call that came in, ours.",
    )
    phone_number_given: str | None = Field(
        default=None,
        repr=False,
        description="The number as it was sent.",
        examples=["+1 (415) 555-0100"],
    )
    caller_id: str | None = Field(
        default=None, repr=False, description="The number it comes from; null where it is withheld."
    )
    agent: str
    variables: dict[str, str] = Field(repr=False)
    metadata: dict[str, Any] = Field(repr=False)
    ring_timeout_seconds: int
    max_duration_seconds: int
    waiting_for: WaitingFor | None = Field(
        default=None, description="What keeps a queued call from being dialled."
    )
    attempts: int = Field(description="How many attempts were made or are waiting.")
    trunk: str | None = Field(
        default=None, description="The trunk that it leaves by, or left by; null while it waits."
    )
    outcome: Outcome | None = None
    ended_by: EndedBy | None = None
    ended_reason: EndedReason | None = None
    sip: Sip
    hangup_cause: int | None = Field(default=None, description="Q.850 cause.")
    hangup_cause_source: CauseSource | None = None
    answered_by: str | None = None
    timestamps: Timestamps
    duration_seconds: float | None = Field(
        default=None, description="From the answer to the end; null for a call never answered."
    )
    recording_path: str | None = Field(
        default=None, description="WAV of both sides on the worker's disk."
    )
    links: Links


class PlacedCall(CallView):
    """A call just placed; for voip with what a browser needs to join it."""

    room: str | None = None
    livekit_url: str | None = None
    participant_token: str | None = Field(
        default=None,
        description="Joins this room only, speaks and listens, and expires within 10 minutes.",
        repr=False,
    )


class CallList(BaseModel):
    """A page of calls, the newest first."""

    calls: list[CallView]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class EventView(BaseModel):
    """One event of a call's history."""

    sequence: int = Field(description="Counts from 1 within the call.")
    type: EventType
    source: Source
    attempt_id: str | None
    occurred_at: datetime = Field(description="By the clock of who saw it.")
    recorded_at: datetime = Field(description="By the dialer's clock.")
    data: dict[str, Any] = Field(repr=False)


class EventList(BaseModel):
    """Events in the order in which they were learned."""

    events: list[EventView]
    next_after: int | None = Field(description="`after` for the next page; null when none is left.")


class TurnView(BaseModel):
    """One turn of words."""

    sequence: int
    speaker: str
    text: str = Field(repr=False)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    interrupted: bool = False


class Transcript(BaseModel):
    """What both sides said."""

    call_id: str
    complete: bool = Field(description="Whether the call is over.")
    turns: list[TurnView]


class ProblemView(BaseModel):
    """Any error of this API (RFC 9457, application/problem+json)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:telephony:problem:not_e164",
                    "title": "The phone number is not in E.164 form",
                    "status": 422,
                    "detail": "Write the number in E.164 form: a plus, the country code and the "
                    "number.",
                    "code": "not_e164",
                    "field": "phone_number",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; docs/errors.md lists all of them.")
    field: str | None = None
    hint: str | None = None
    offset: int | None = None
    errors: list[dict[str, Any]] | None = None
