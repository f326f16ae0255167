"""Shapes of OpenAI's API that several tests ask for or expect."""

from __future__ import annotations

import json
from typing import Any

import httpx


def events(body: str) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in body.splitlines() if line]
    return [json.loads(line) for line in data if line != "[DONE]"]


def chat(said: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": said}], **more}


def assert_openai_error(answer: httpx.Response, status: int, param: str | None) -> None:
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] and error["param"] == param
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
