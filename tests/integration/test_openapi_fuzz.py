"""The OpenAPI document is a promise: whatever is sent, the answer is one that it tells of.

Requests are generated from the document itself, fitting and not, with a valid key. The same seed
gives the same requests; a failure prints it with the request.
"""

# The library is generic over types of its own, which say nothing here.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeArgument=false

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from dialer import migrations
from telephony.call import CallType
from tests.kit.api import Api
from tests.kit.api import api as open_api

SEED = 20_260
#: For each operation, of fitting requests and of those that do not fit.
EXAMPLES = 12

load_all_checks()
PROMISES = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)


class Gateway:
    """The application in this process, with calls of every kind in it."""

    def __init__(self, runner: asyncio.Runner, api: Api) -> None:
        self._runner = runner
        self._client = api.client()
        self._api = api
        self.call_ids: list[str] = runner.run(self._fill())
        document: dict[str, Any] = api.app.openapi()
        self.schema = schemathesis.openapi.from_dict(document)

    async def _fill(self) -> list[str]:
        placed: list[str] = []
        for _ in range(3):
            answer = await self._client.post("/calls", json={"phone_number": "+14155550100"})
            placed.append(answer.json()["id"])
        await self._api.worker(capacity=10_000)
        answer = await self._client.post("/calls", json={"call_type": CallType.VOIP.value})
        placed.append(answer.json()["id"])
        await self._client.post(f"/calls/{placed[0]}/hangup")
        return placed

    def send(self, case: schemathesis.Case) -> httpx.Response:
        """Send a generated request as its own serialisation has it."""
        told: dict[str, Any] = case.as_transport_kwargs(base_url="http://dialer")
        wanted = {name: told[name] for name in told.keys() & _REQUEST}
        prepared: Any = requests.Request(**wanted).prepare()
        request = self._client.build_request(
            prepared.method,
            prepared.url,
            content=prepared.body,
            headers=list(prepared.headers.items()),
        )
        # A key of the document's own making is not the one under test.
        request.headers["Authorization"] = f"Bearer {self._api.key}"
        return self._runner.run(self._send(request))

    async def _send(self, request: httpx.Request) -> httpx.Response:
        # A worker is always there: that there is none would be a promised 503, and no news.
        await self._api.worker(capacity=10_000)
        async with asyncio.timeout(60):
            return await self._client.send(request)

    def close(self) -> None:
        """Close the client."""
        self._runner.run(self._client.aclose())


_REQUEST = {"method", "url", "headers", "params", "data", "json", "cookies", "files"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """Give the application over SQLite."""
    url = f"sqlite:///{tmp_path}/telephony.db"
    migrations.upgrade(url)
    with asyncio.Runner() as runner:
        opened = open_api(url, max_queued_calls=40)
        made = Gateway(runner, runner.run(opened.__aenter__()))
        try:
            yield made
        finally:
            made.close()
            runner.run(opened.__aexit__(None, None, None))


def fuzz(gateway: Gateway, operation: Any, mode: GenerationMode) -> set[int]:
    """Send what the strategy draws and check every answer; gives the statuses that were seen."""
    seen: set[int] = set()

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
    )
    @given(data=st.data())
    def send_one(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        # An id out of thin air is never found: most requests ask for a call that there is.
        if "call_id" in case.path_parameters and data.draw(st.integers(0, 4)):
            case.path_parameters["call_id"] = data.draw(st.sampled_from(gateway.call_ids))
        answer = gateway.send(case)
        seen.add(answer.status_code)
        note(f"seed {SEED}, {operation.label}, {mode.value}: {answer.request.url!r}")
        case.validate_response(answer, checks=PROMISES)

    send_one()
    return seen


def test_whatever_is_sent_is_answered_as_the_document_tells(gateway: Gateway) -> None:
    seen: dict[str, set[int]] = {}
    for found in gateway.schema.get_all_operations():
        operation: Any = found.ok()  # pyright: ignore[reportAttributeAccessIssue]
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.NEGATIVE and not _takes_anything(operation):
                continue
            seen.setdefault(operation.label, set()).update(fuzz(gateway, operation, mode))
    # Else nothing was tried: calls were placed, found and refused.
    assert {202, 422} <= seen["POST /calls"]
    assert {200, 404} <= seen["GET /calls/{call_id}"]
    assert {200, 422} <= seen["GET /calls"]


def _takes_anything(operation: Any) -> bool:
    return bool(len(operation.query) or len(operation.body) or len(operation.path_parameters))
