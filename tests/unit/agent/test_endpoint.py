"""What is asked of the models' endpoint: the whole talk, written once and not walked through."""

from __future__ import annotations

import cProfile
import json
import pstats
from typing import Any

import httpx2
import openai
import pytest

from agent.speech.endpoint import send_as_written

_ASKED: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "temperature": 0.2,
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "end_call",
                "parameters": {"type": "object", "properties": {"farewell": {"type": "string"}}},
            },
        }
    ],
}


def _talk(turns: int) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"role": "system", "content": "You book tables."}]
    for turn in range(turns):
        said.append({"role": "user", "content": f"A table for {turn}, please."})
        said.append({"role": "assistant", "content": "Done.", "tool_calls": [_CALLED]})
        said.append({"role": "tool", "tool_call_id": "call_1", "content": "tak\u2019n"})
    return said


_CALLED = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "book", "arguments": '{"guests": 4}'},
}


class _Endpoint:
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(json.loads(request.content))
        answer: dict[str, Any] = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [],
        }
        return httpx2.Response(200, json=answer)

    def client(self) -> openai.AsyncClient:
        return openai.AsyncClient(
            base_url="http://models.test/v1",
            api_key="key",
            http_client=httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer)),
        )


@pytest.mark.parametrize("extra", [None, {"top_k": 4}], ids=["plain", "with an extension"])
async def test_the_same_is_asked_as_the_sdk_itself_asks(extra: dict[str, Any] | None) -> None:
    endpoint = _Endpoint()
    ours, plain = endpoint.client(), endpoint.client()
    send_as_written(ours)
    for client in (plain, ours):
        asked: Any = {**_ASKED, "messages": _talk(3), "extra_body": extra}
        await client.chat.completions.create(**asked)
        await client.close()
    of_the_sdk, of_ours = endpoint.asked
    assert of_ours == of_the_sdk
    assert of_ours["messages"] == _talk(3)


async def test_a_long_talk_is_not_walked_through() -> None:
    async def steps(*, as_written: bool, turns: int) -> int:
        client = _Endpoint().client()
        if as_written:
            send_as_written(client)
        asked: Any = {**_ASKED, "messages": _talk(turns)}
        # What is loaded and remembered at first use is not counted.
        await client.chat.completions.create(**asked)
        profile = cProfile.Profile()
        profile.enable()
        await client.chat.completions.create(**asked)
        profile.disable()
        await client.close()
        counted: Any = pstats.Stats(profile)
        return int(counted.total_calls)

    grows = await steps(as_written=True, turns=200) - await steps(as_written=True, turns=1)
    of_the_sdk = await steps(as_written=False, turns=200) - await steps(as_written=False, turns=1)
    assert of_the_sdk > 50_000, "the SDK walks no longer: as_written can go"
    assert grows < of_the_sdk / 100
