"""Chat in the shapes that OpenAI's clients rely on."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.speech.openai_shapes import assert_openai_error, chat, events


def tool(name: str, **parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


async def test_chat_answers_in_the_name_of_the_script(speech: httpx.AsyncClient) -> None:
    answer = (await speech.post("/v1/chat/completions", json=chat("Who are you?"))).json()
    assert answer["model"] == "scripted"
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert "automated assistant" in choice["message"]["content"]
    assert "tool_calls" not in choice["message"]
    used = answer["usage"]
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"] > 0


async def test_a_goodbye_says_farewell_and_calls_the_tool_that_ends_the_call(
    speech: httpx.AsyncClient,
) -> None:
    why = {"reason": {"type": "string", "enum": ["done", "other"]}, "note": {"type": "string"}}
    offered = [tool("look_up"), tool("end_call", properties=why, required=["reason"])]
    asked = chat("Thank you, good-by.", tools=offered)
    (choice,) = (await speech.post("/v1/chat/completions", json=asked)).json()["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert "Goodbye" in choice["message"]["content"]
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "end_call"
    assert json.loads(call["function"]["arguments"]) == {"reason": "done"}


@pytest.mark.parametrize("name", ["end_call", "hang_up_the_phone", "EndCall_end_call"])
async def test_the_tool_that_ends_the_call_is_known_by_its_name(
    speech: httpx.AsyncClient, name: str
) -> None:
    asked = chat("Goodbye.", tools=[tool("look_up"), tool(name)])
    (choice,) = (await speech.post("/v1/chat/completions", json=asked)).json()["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["name"] == name


async def test_without_such_a_tool_a_goodbye_is_only_answered(speech: httpx.AsyncClient) -> None:
    for more in (
        {},
        {"tools": [tool("look_up")]},
        {"tools": [tool("end_call")], "tool_choice": "none"},
    ):
        asked = chat("Goodbye.", **more)
        (choice,) = (await speech.post("/v1/chat/completions", json=asked)).json()["choices"]
        assert choice["finish_reason"] == "stop"
        assert "Goodbye" in choice["message"]["content"]


async def test_a_tool_that_the_client_insists_on_is_called(speech: httpx.AsyncClient) -> None:
    offered = [tool("look_up", properties={"n": {"type": "integer"}}, required=["n"])]
    for choice in ("required", {"type": "function", "function": {"name": "look_up"}}):
        asked = chat("Hello.", tools=offered, tool_choice=choice)
        answer = (await speech.post("/v1/chat/completions", json=asked)).json()
        call = answer["choices"][0]["message"]["tool_calls"][0]
        assert json.loads(call["function"]["arguments"]) == {"n": 0}


async def test_streamed_chat_is_role_words_calls_end_usage_done(
    speech: httpx.AsyncClient,
) -> None:
    asked = chat(
        "Goodbye.",
        tools=[tool("end_call")],
        stream=True,
        stream_options={"include_usage": True},
    )
    answer = await speech.post("/v1/chat/completions", json=asked)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")
    *chunks, usage = events(answer.text)
    assert usage["choices"] == [] and usage["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in chunks)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in [*chunks, usage]}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    assert "Goodbye" in "".join(delta.get("content") or "" for delta in deltas)
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "end_call" and calls[0]["id"]
    assert "".join(call["function"]["arguments"] for call in calls) == "{}"
    assert [c["choices"][0]["finish_reason"] for c in chunks][-2:] == [None, "tool_calls"]


async def test_a_stream_without_options_has_no_usage(speech: httpx.AsyncClient) -> None:
    answer = await speech.post("/v1/chat/completions", json=chat("Hello.", stream=True))
    chunks = events(answer.text)
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_after_the_tools_result_the_script_is_silent(speech: httpx.AsyncClient) -> None:
    called = {"id": "c", "type": "function", "function": {"name": "end_call", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Goodbye."},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    asked = {"model": "scripted", "messages": messages, "tools": [tool("end_call")]}
    (choice,) = (await speech.post("/v1/chat/completions", json=asked)).json()["choices"]
    assert choice["message"]["content"] == ""
    assert "tool_calls" not in choice["message"]


async def test_content_in_parts_is_read(speech: httpx.AsyncClient) -> None:
    parts = [{"type": "text", "text": "Who"}, {"type": "text", "text": "are you?"}]
    asked = {"model": "scripted", "messages": [{"role": "user", "content": parts}]}
    answer = (await speech.post("/v1/chat/completions", json=asked)).json()
    assert "automated assistant" in answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("wrong", "status", "param"),
    [
        ({"model": "whisper-1"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"n": 2}, 400, "n"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, 400, "tool_choice"),
    ],
)
async def test_a_wrong_chat_request_is_told_which_field(
    speech: httpx.AsyncClient, wrong: dict[str, Any], status: int, param: str
) -> None:
    answer = await speech.post("/v1/chat/completions", json={**chat("Hello."), **wrong})
    assert_openai_error(answer, status, param)
