"""Watch every request: an id for the log, a count and a time for the metrics.

Labels are route templates, never paths: a path holds ids.
"""

from __future__ import annotations

import re
import secrets
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialer import problems
from dialer.metrics import REQUEST_SECONDS, REQUESTS

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


class Observed:
    """Count, time and name each request; what nobody caught is answered here, so that it is too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        started, answering = time.perf_counter(), False

        async def noted(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
                _count(scope, int(message["status"]), time.perf_counter() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, noted)
            except ClientDisconnect:
                # Nobody is left to answer to, and nothing of ours is wrong.
                log.info("client went away")
            except Exception as error:
                log.error("request failed", exc_info=error)
                if answering:
                    raise  # the server must cut the connection, or half an answer looks whole
                await problems.internal_error()(scope, receive, noted)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value.decode("latin-1")):
            return value.decode("latin-1")
    return secrets.token_hex(8)


def _count(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(route=route, method=method, status=str(status)).inc()
    REQUEST_SECONDS.labels(route=route, method=method).observe(seconds)
