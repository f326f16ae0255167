"""What the API says of itself, and what it answers to requests that it does not take."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.kit.api import Api

pytestmark = pytest.mark.asyncio

PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemView"}}


def _answers(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (f"{method} {path}", status, answer)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
    ]


async def test_errors_are_documented_as_problems_and_nothing_else(api: Api) -> None:
    document = api.app.openapi()
    errors = [
        (where, answer)
        for where, status, answer in _answers(document)
        if status[0] in "45" and where != "get /readyz"
    ]
    assert len(errors) > 20
    for where, answer in errors:
        assert answer["content"] == {"application/problem+json": PROBLEM}, where
    assert "HTTPValidationError" not in str(document)
    assert document["components"]["schemas"]["ProblemView"]["type"] == "object"


async def test_every_reference_of_the_document_leads_somewhere(api: Api) -> None:
    document = api.app.openapi()

    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    found = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)))
    assert found and found <= named


async def test_the_browsers_way_in_is_documented_and_the_page_is_not(api: Api) -> None:
    paths = api.app.openapi()["paths"]
    assert "post" in paths["/api/token"]
    assert not [path for path in paths if path.startswith(("/console", "/internal"))]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/calls", "GET, POST"),
        ("PUT", "/calls", "GET, POST"),
        ("DELETE", "/calls/call_1", "GET"),
        ("GET", "/calls/call_1/hangup", "POST"),
        ("DELETE", "/console/login", "GET, POST"),
        ("POST", "/healthz", "GET"),
        ("POST", "/console/static/style.css", "GET, HEAD"),
        ("PUT", "/internal/attempts/a/permit", "POST"),
    ],
)
async def test_a_method_that_is_not_taken_is_told_all_that_are(
    api: Api, method: str, path: str, allowed: str
) -> None:
    async with api.client() as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("query", "field", "hint"),
    [
        ("?limt=5", "limt", "limit"),
        ("?State=ended", "State", "status"),
        ("?phonenumber=%2B14155550100", "phonenumber", "phone_number"),
    ],
)
async def test_a_misspelt_parameter_is_refused_with_the_closest_one(
    api: Api, query: str, field: str, hint: str
) -> None:
    async with api.client() as client:
        answer = await client.get(f"/calls{query}")
    told = answer.json()
    assert (answer.status_code, told["code"], told["field"]) == (422, "unknown_field", field)
    assert told["hint"] == f"Did you mean {hint}?"


async def test_a_misspelt_parameter_of_a_calls_events_is_refused_too(api: Api) -> None:
    async with api.client() as client:
        call = (await client.post("/calls", json={"phone_number": "+14155550100"})).json()
        bad = await client.get(call["links"]["events"] + "?afte=1")
        good = await client.get(call["links"]["events"] + "?after=0&limit=5")
    assert (bad.status_code, bad.json()["hint"]) == (422, "Did you mean after?")
    assert good.status_code == 200
