"""POST /v1/chat/completions: the scripted chat in OpenAI's shape."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from sandbox.speech.chat_messages import ChatRequest
from sandbox.speech.chat_tools import arguments_for, tool_to_call
from sandbox.speech.models import SCRIPT, require_model
from sandbox.speech.openai_errors import ApiError
from sandbox.speech.script import Script, reply

router = APIRouter()

_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer; ``model`` says that a script gave it."""

    id: str
    created: int
    text: str
    tool_calls: list[dict[str, Any]]
    usage: dict[str, Any]

    @property
    def finish_reason(self) -> str:
        """Say why the answer ends."""
        return "tool_calls" if self.tool_calls else "stop"

    def envelope(self, kind: str) -> dict[str, Any]:
        """Return what every chunk and the whole answer have in common."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": SCRIPT,
            "system_fingerprint": "scripted-not-a-language-model",
        }


@router.post("/v1/chat/completions", response_model=None)
async def complete(asked: ChatRequest, request: Request) -> Response:
    """Answer a conversation by the script."""
    require_model(asked.model, SCRIPT)
    if asked.n != 1:
        raise ApiError(400, "n must be 1: the script has one answer", param="n")
    script: Script = request.app.state.script
    answer = _answer(script, asked)
    if not asked.stream:
        return JSONResponse(_whole(answer))
    with_usage = asked.stream_options is not None and asked.stream_options.include_usage
    chunks = _chunks(answer, with_usage=with_usage)
    return StreamingResponse(_events(chunks), media_type="text/event-stream")


def _answer(script: Script, asked: ChatRequest) -> Answer:
    said = reply(script, asked.lines())
    tool = tool_to_call(script, asked, said)
    calls: list[dict[str, Any]] = []
    if tool is not None:
        function = {"name": tool.name, "arguments": arguments_for(tool)}
        calls.append({"id": _id("call_"), "type": "function", "function": function})
    return Answer(_id("chatcmpl-"), int(time.time()), said.text, calls, _usage(asked, said.text))


def _whole(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.tool_calls:
        message["tool_calls"] = answer.tool_calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": answer.finish_reason,
    }
    return {**answer.envelope("chat.completion"), "choices": [choice], "usage": answer.usage}


def _chunks(answer: Answer, *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """Yield the answer as OpenAI streams it: role, words, tool calls, end, usage."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if with_usage else {}
        return {**answer.envelope("chat.completion.chunk"), "choices": [choice], **usage}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for word in _WORD.findall(answer.text):
        yield chunk({"content": word})
    for index, call in enumerate(answer.tool_calls):
        opened = {**call, "function": {**call["function"], "arguments": ""}}
        yield chunk({"tool_calls": [{"index": index, **opened}]})
        arguments = {"arguments": call["function"]["arguments"]}
        yield chunk({"tool_calls": [{"index": index, "function": arguments}]})
    yield chunk({}, answer.finish_reason)
    if with_usage:
        envelope = answer.envelope("chat.completion.chunk")
        yield {**envelope, "choices": [], "usage": answer.usage}


def _events(chunks: Iterator[dict[str, Any]]) -> Iterator[str]:
    for chunk in chunks:
        yield f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n"
    yield "data: [DONE]\n\n"


def _usage(asked: ChatRequest, text: str) -> dict[str, Any]:
    """Count words: a script has no tokens."""
    heard = sum(len(line.text.split()) for line in asked.lines())
    said = len(text.split())
    return {
        "prompt_tokens": heard,
        "completion_tokens": said,
        "total_tokens": heard + said,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _id(prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:24]
