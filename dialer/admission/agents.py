"""The agents of ``agents.yaml``: read once, checked whole, rendered for each call.

Instructions and all that is said word for word (greeting, goodbye, silence prompt, rescue line) may
hold ``{names}``. They are replaced in one pass by the call's variables, or by the agent's own
defaults; nothing else in braces means anything, so that neither a file nor a caller can reach into
the program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from telephony.dial_request import AgentConfig, Models
from telephony.errors import NotFound, Refused
from telephony.worker_contract import PhraseWanted

DEFAULT_AGENT = "default"

_NAME = re.compile(r"\{([a-z][a-z0-9_]{0,63})\}")
_MAX_RENDERED = 64 * 1024
_MAX_FILE = 1024 * 1024
_RENDERED = ("instructions", "greeting", "goodbye", "silence_prompt", "rescue_line")

AgentName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class AgentsFileError(Exception):
    """The agents file cannot be used; the text says where and why."""


class Described(BaseModel):
    """One agent as the file describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    instructions: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=32_768)
    ]
    greeting: Sentence
    goodbye: Sentence = "Goodbye."
    silence_prompt: Sentence = "Are you still there?"
    rescue_line: Sentence = "Sorry, I lost you for a moment. Where were we?"
    voice: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "alloy"
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    models: Models = Models()
    silence_timeout_seconds: float = Field(default=20.0, ge=3, le=600)
    #: What a ``{name}`` is when the call says nothing.
    variables: dict[VariableName, Annotated[str, StringConstraints(max_length=4096)]] = Field(
        default_factory=dict[str, str]
    )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agents: dict[AgentName, Described] = Field(min_length=1)


class Agents:
    """The named agents."""

    def __init__(self, described: Mapping[str, Described]) -> None:
        self._described = dict(described)
        #: What every worker keeps ready: for the moment in which it must step in for another, and
        #: for callers, who hear ringing until their greeting is there.
        self.kept_ready: list[PhraseWanted] = []
        lines = [(one, line) for line in ("rescue_line", "greeting") for one in described.values()]
        for wanted in (phrase for one, line in lines for phrase in _phrase(one, line)):
            if wanted not in self.kept_ready:  # agents with the same voice share it
                self.kept_ready.append(wanted)

    @property
    def names(self) -> list[str]:
        """List the agents' names, in order."""
        return sorted(self._described)

    def resolve(self, name: str, variables: Mapping[str, str]) -> AgentConfig:
        """Give the whole configuration of an agent for one call.

        Errors: NotFound ``agent_not_found``; Refused ``variable_missing`` naming the first missing
        one, or ``too_large`` when the text grows beyond bounds.
        """
        described = self._described.get(name)
        if described is None:
            raise NotFound("agent_not_found", "There is no agent of this name.", field="agent")
        values = {**described.variables, **variables}
        plain: dict[str, Any] = described.model_dump(exclude={*_RENDERED, "variables", "models"})
        for part in _RENDERED:
            plain[part] = _render(getattr(described, part), values)
        return AgentConfig(name=name, models=described.models, **plain)


def _phrase(described: Described, line: str) -> list[PhraseWanted]:
    try:
        text = _render(getattr(described, line), described.variables)
    except Refused:
        # It depends on the call, and is made when it is needed.
        return []
    return [PhraseWanted(model=described.models.tts, voice=described.voice, text=text)]


def _render(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            raise Refused(
                "variable_missing",
                f"The agent needs the variable {name}, which has no default.",
                field=f"variables.{name}",
            )
        return values[name]

    rendered = _NAME.sub(value, text)
    if len(rendered) > _MAX_RENDERED:
        raise Refused(
            "too_large", "With these variables the agent's text is too long.", field="variables"
        )
    return rendered


def load(path: Path) -> Agents:
    """Read and check the agents file.

    Errors: AgentsFileError, naming the file and every fault in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AgentsFileError(f"{path}: cannot be read ({error})") from error
    if len(text) > _MAX_FILE:
        raise AgentsFileError(f"{path}: is larger than {_MAX_FILE} bytes")
    return parse(text, name=str(path))


def parse(text: str, *, name: str = "agents.yaml") -> Agents:
    """Check the text of an agents file.

    Errors: AgentsFileError.
    """
    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise AgentsFileError(f"{name}: is no YAML ({' '.join(str(error).split())})") from error
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise AgentsFileError(f"{name}: " + "; ".join(faults)) from error
    if DEFAULT_AGENT not in file.agents:
        raise AgentsFileError(f"{name}: describes no agent named {DEFAULT_AGENT}")
    return Agents(file.agents)
