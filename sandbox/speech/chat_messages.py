"""What OpenAI's clients send to /v1/chat/completions, as far as the script reads it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.speech.script import Line


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ContentPart(_Loose):
    """A part of a message; only text is read."""

    type: str = "text"
    text: str = ""


class Message(_Loose):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None

    def line(self) -> Line:
        """Reduce the message to its role and text."""
        if isinstance(self.content, list):
            text = " ".join(part.text for part in self.content if part.type == "text")
        else:
            text = self.content or ""
        if self.role == "developer":
            return Line("system", text)
        return Line("tool" if self.role == "function" else self.role, text)


class Function(_Loose):
    """A tool that the client offers."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])


class Tool(_Loose):
    """OpenAI's wrapping of a function."""

    type: str = "function"
    function: Function | None = None


class NamedFunction(_Loose):
    """The name in a tool choice."""

    name: str


class NamedTool(_Loose):
    """A tool choice that names one tool."""

    function: NamedFunction


class StreamOptions(_Loose):
    """What else to stream."""

    include_usage: bool = False


class ChatRequest(_Loose):
    """A request; sampling settings are taken and change nothing."""

    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: list[Tool] = Field(default_factory=list[Tool])
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    n: int = 1

    def lines(self) -> list[Line]:
        """Return the conversation as plain lines."""
        return [message.line() for message in self.messages]

    def functions(self) -> list[Function]:
        """Return the offered tools, less those that the client forbids."""
        if self.tool_choice == "none":
            return []
        return [tool.function for tool in self.tools if tool.function is not None]
