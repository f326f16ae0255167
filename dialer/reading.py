"""Read request bodies strictly: JSON that two readers could understand differently is refused.

Sizes are counted while the body arrives, and before anything is parsed. Compressed bodies are never
unpacked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialer import problems
from dialer.problems import BadRequest
from telephony.errors import TelephonyError

#: Units: bytes.
MAX_BODY = 256 * 1024
#: For the routes that take more than a call: batches of events, signed webhooks.
MAX_ANY_BODY = 4 * 1024 * 1024
#: Deeper than anything that a field allows; its own limit answers long before the parser's.
MAX_DEPTH = 64
MAX_NUMBER = 400

# A string is taken as far as it goes and never given back: one without an end would else be looked
# for again from each of its own quotes.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\],:]|-?Infinity|NaN', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


def loads(raw: bytes) -> Any:
    """Parse strict JSON.

    Errors: BadRequest ``invalid_json`` with the byte offset, or ``too_deep``.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse("The body is not UTF-8.", error.start)
    if text.startswith("\ufeff"):
        _refuse("The body begins with a byte order mark.", 0)
    _check_tokens(text)
    try:
        value = json.loads(text, parse_int=_whole, parse_float=_real)
    except json.JSONDecodeError as error:
        _refuse(f"{error.msg}.", _bytes(text, error.pos))
    except RecursionError:
        _too_deep()
    # "\ud800" alone is half a character: it cannot be stored, sent or spoken.
    half = _SURROGATE.search(json.dumps(value, ensure_ascii=False))
    if half:
        _refuse("A text holds half of a surrogate pair.", 0)
    return value


def _refuse(detail: str, offset: int) -> NoReturn:
    raise BadRequest("invalid_json", detail, offset=offset)


def _too_deep() -> NoReturn:
    raise BadRequest("too_deep", f"The body is nested deeper than {MAX_DEPTH} levels.")


def _bytes(text: str, position: int) -> int:
    return len(text[:position].encode("utf-8", "surrogatepass"))


def _whole(digits: str) -> int:
    if len(digits) > MAX_NUMBER:
        _refuse("A number has too many digits.", 0)
    return int(digits)


def _real(digits: str) -> float:
    if len(digits) > MAX_NUMBER:
        _refuse("A number has too many digits.", 0)
    value = float(digits)
    if not math.isfinite(value):
        # 1e999 is a number to JSON and an infinity to Python, which no database keeps.
        _refuse("A number is too large.", 0)
    return value


def _check_tokens(text: str) -> None:
    """Refuse what the parser would let pass: keys that come twice, NaN, bottomless nesting."""
    keys: list[set[str] | None] = []
    candidate: tuple[str, int] | None = None
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[0] == '"':
            candidate = (token, match.start())
            continue
        if token in "{[":
            keys.append(set() if token == "{" else None)
            if len(keys) > MAX_DEPTH:
                _too_deep()
        elif token in "}]" and keys:
            keys.pop()
        elif token == ":" and candidate and keys and keys[-1] is not None:
            _check_key(keys[-1], *candidate, text)
        elif token in ("NaN", "Infinity", "-Infinity"):
            _refuse(f"{token} is no JSON number.", _bytes(text, match.start()))
        candidate = None


def _check_key(seen: set[str], token: str, position: int, text: str) -> None:
    try:
        key = json.loads(token) if "\\" in token else token[1:-1]
    except json.JSONDecodeError:
        return  # the parser finds it again and says where
    if key in seen:
        _refuse("A key comes twice in one object.", _bytes(text, position))
    seen.add(key)


async def read_limited(request: Request, limit: int = MAX_BODY) -> bytes:
    """Read the whole body, at most ``limit`` bytes of it.

    Errors: BadRequest ``body_too_large``.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:18]) > limit:
        _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> NoReturn:
    raise BadRequest("body_too_large", f"The body is larger than {limit // 1024} KB.")


def check_headers(request: Request) -> None:
    """Refuse bodies that are not plain JSON by their own headers.

    Errors: BadRequest ``unsupported_media_type`` or ``body_too_large``.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise BadRequest(
            "unsupported_media_type", "The body must be sent as Content-Type: application/json."
        )
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise BadRequest("body_too_large", "Compressed bodies are not taken, whatever their size.")


class _Read(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, raw: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._raw = raw
        self._value = value

    async def body(self) -> bytes:
        """Give the body as it came."""
        return self._raw

    async def json(self) -> Any:
        """Give the body as it was parsed."""
        return self._value


class StrictJsonRoute(APIRoute):
    """A route whose JSON body is read strictly before its handler runs."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            await self.before_body(request)
            if self.body_field is None:
                return await handle(request)
            check_headers(request)
            raw = await read_limited(request)
            return await handle(_Read(request, raw, loads(raw)))

        return strict

    async def before_body(self, request: Request) -> None:
        """Do what must be done before a byte of the body is read."""


class BodyLimit:
    """Bound every body, whatever route it is for."""

    def __init__(self, app: ASGIApp, limit: int = MAX_ANY_BODY) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives; answer 413 where it is too much."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        taken = 0
        started = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.limit:
                _too_large(self.limit)
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except TelephonyError as error:
            if started:
                raise
            await problems.for_error(error)(scope, receive, send)
