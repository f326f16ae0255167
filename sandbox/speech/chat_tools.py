"""Choose the tool that a reply calls, and fill in what it must be told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from sandbox.speech.chat_messages import ChatRequest, Function, NamedTool
from sandbox.speech.openai_errors import ApiError
from sandbox.speech.script import Reply, Script

_FILLERS: dict[str, Any] = {
    "string": "goodbye",
    "integer": 0,
    "number": 0,
    "boolean": True,
    "array": [],
    "object": {},
}


def tool_to_call(script: Script, asked: ChatRequest, reply: Reply) -> Function | None:
    """Return the tool that goes with a reply: the one that ends the call, or one insisted on."""
    offered = asked.functions()
    if isinstance(asked.tool_choice, NamedTool):
        return _named(offered, asked.tool_choice.function.name)
    if reply.ends and (end := _first_end_tool(script, offered)):
        return end
    return offered[0] if asked.tool_choice == "required" and offered else None


def arguments_for(function: Function) -> str:
    """Return arguments as JSON, with a harmless value for each one that is required."""
    parameters = function.parameters
    properties = cast(dict[str, dict[str, Any]], parameters.get("properties") or {})
    required = cast(list[str], parameters.get("required") or [])
    return json.dumps({name: _filler(properties.get(name, {})) for name in required})


def _first_end_tool(script: Script, offered: Sequence[Function]) -> Function | None:
    for function in offered:
        if any(part in function.name.lower() for part in script.end_tools):
            return function
    return None


def _named(offered: Sequence[Function], name: str) -> Function:
    for function in offered:
        if function.name == name:
            return function
    raise ApiError(400, f"tool_choice names '{name}', which is not offered", param="tool_choice")


def _filler(schema: dict[str, Any]) -> Any:
    """Return a value that fits a property's schema."""
    if choices := schema.get("enum"):
        return choices[0]
    if "default" in schema:
        return schema["default"]
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kinds = cast(list[str], kind)
        return None if "null" in kinds else _FILLERS.get(kinds[0])
    return _FILLERS.get(str(kind))
