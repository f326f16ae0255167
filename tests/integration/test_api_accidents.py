"""What nobody planned: it is answered, named, counted, and told to the log once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
import structlog

from dialer.metrics import REGISTRY
from tests.kit.api import Api, serving
from tests.kit.until import until

pytestmark = pytest.mark.asyncio


def _break(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr("dialer.calls.routes.Calls.page", broken)


def _count(**labels: str) -> float:
    return REGISTRY.get_sample_value("telephony_http_requests_total", labels) or 0.0


async def test_a_bug_is_a_500_with_an_id_that_is_counted_and_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(api, monkeypatch)
    labels = {"route": "/calls", "method": "GET", "status": "500"}
    before = _count(**labels)
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as logged:
        async with api.client() as client:
            answer = await client.get("/calls", headers={"X-Request-Id": "mine-1"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "mine-1"
    assert "a bug" not in answer.text
    assert _count(**labels) == before + 1
    [failure] = [line for line in logged if line["event"] == "request failed"]
    assert failure["request_id"] == "mine-1"


async def test_a_client_that_goes_away_mid_body_is_no_error(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with structlog.testing.capture_logs() as logged:
        async with serving(api.app) as url:
            host, port = url.removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            head = (
                f"POST /calls HTTP/1.1\r\nHost: dialer\r\nAuthorization: Bearer {api.key}\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
            )
            writer.write(head.encode() + b'{"phone_')
            await writer.drain()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            await until(lambda: [line for line in logged if line["event"] == "client went away"])
    assert not [line for line in logged if line["log_level"] in ("warning", "error")]
    assert not [line for line in caplog.records if line.exc_info or line.levelname == "ERROR"]
