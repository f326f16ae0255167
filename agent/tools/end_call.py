"""The tool with which the language model hangs up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from livekit.agents import RunContext, StopResponse, function_tool, llm
from livekit.agents.voice import SpeechHandle

# Ready as JSON schema: building one from a signature would cost time at every turn.
_SCHEMA: Final[dict[str, Any]] = {
    "type": "function",
    "name": "end_call",
    "description": (
        "Hang up. Use it when the conversation is over: the other side said goodbye, has nothing "
        "more to ask, or asked you to end the call. Say goodbye in the same reply."
    ),
    "parameters": {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    },
}


def end_call_tool(hang_up: Callable[[SpeechHandle], None]) -> llm.Tool:
    """Make the tool; ``hang_up`` is told which speech holds the farewell, if there is one."""

    async def end_call(raw_arguments: dict[str, object], context: RunContext[None]) -> None:
        hang_up(context.speech_handle)
        # The farewell is spoken already or will be by us; the model has nothing to add.
        raise StopResponse

    return function_tool(end_call, raw_schema=_SCHEMA)
