"""The job metadata contract: what the dialer tells the agent about one attempt.

It is versioned JSON. An agent refuses a version that it does not know, and ignores fields that a
newer dialer of the same version added.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from telephony.call import CallType, Direction

DIAL_REQUEST_VERSION = 1


class Part(BaseModel):
    """Base of the contract's parts."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Models(Part):
    """Which models the agent uses, by the names that its OpenAI-compatible endpoints know."""

    stt: str = "gpt-4o-mini-transcribe"
    llm: str = "gpt-4o-mini"
    tts: str = "gpt-4o-mini-tts"


class AgentConfig(Part):
    """A named agent, whole and resolved: nothing is looked up by the worker.

    Units: ``silence_timeout_seconds`` is the quiet on both sides after which the agent says
    goodbye and hangs up.
    """

    name: str
    instructions: str
    greeting: str
    goodbye: str = "Goodbye."
    voice: str = "alloy"
    language: str = "en"
    models: Models = Models()
    silence_timeout_seconds: float = Field(default=20.0, gt=0)
    #: What is said when the callee is silent, before the agent gives up.
    silence_prompt: str = "Are you still there?"
    #: What is said by an agent that takes a conversation over from one that was lost.
    rescue_line: str = "Sorry, I lost you for a moment. Where were we?"


class Limits(Part):
    """The limits of this one call.

    Units: seconds.
    """

    ring_timeout_seconds: int = Field(ge=5, le=80)
    max_duration_seconds: int = Field(ge=10, le=14_400)


class Said(Part):
    """One turn of the conversation so far."""

    speaker: Literal["agent", "callee", "caller"]
    text: str = Field(repr=False)


class Rescue(Part):
    """The phone is off the hook already and its agent was lost: take the conversation over.

    Shape: ``number`` counts the rescues of this attempt from 1; ``transcript`` holds the newest
    turns, in order. Whoever gets this asks for no permit, dials nobody and greets nobody.
    """

    number: int = Field(ge=1)
    answered_at: AwareDatetime
    transcript: list[Said] = Field(default_factory=list[Said])


class DialRequest(Part):
    """One attempt, as the worker receives it.

    Shape: ``phone_number`` is the number that is dialled and ``caller_id`` the one that it is
    dialled from, whoever dials; they and ``trunk_id`` are None for voip, and of a call that came in
    ``trunk_id`` and a withheld ``caller_id``. ``attempt_token`` opens this attempt's internal
    routes and nothing else.
    """

    version: Literal[1] = DIAL_REQUEST_VERSION
    call_id: str
    attempt_id: str
    attempt_token: str
    call_type: CallType
    direction: Direction = Direction.OUTBOUND
    phone_number: str | None = Field(default=None, repr=False)
    caller_id: str | None = Field(default=None, repr=False)
    trunk_id: str | None = None
    #: Whether the call can leave by another trunk, so that a trunk's own refusal is not its end.
    other_trunks: bool = False
    limits: Limits
    agent: AgentConfig
    #: Who the other side is in the room of a call that came in; the bridge names them.
    leg_identity: str | None = Field(default=None, repr=False)
    #: Said in the agent's voice instead of a conversation; then the call is over.
    announcement: str | None = None
    #: None for a call that is yet to be made.
    rescue: Rescue | None = None
    variables: dict[str, str] = Field(default_factory=dict[str, str], repr=False)
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)

    def to_metadata(self) -> str:
        """Write it as job metadata."""
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def from_metadata(cls, text: str) -> DialRequest:
        """Read job metadata.

        Errors: pydantic.ValidationError for anything but a DialRequest of a known version.
        """
        return cls.model_validate_json(text)
