"""Errors on the wire: one shape of body (RFC 9457) for every code of ``problem_table``.

A body holds ``type``, ``title``, ``status``, ``detail`` and ``code``; where they say something
``field`` (which part of the request), ``hint`` (what was probably meant), ``offset`` (where in the
body) and ``errors`` (all faults, when there are several). What nobody raised on purpose becomes
``internal_error`` without a word about its cause.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount

from dialer.metrics import PROBLEMS_ANSWERED
from dialer.problem_table import PROBLEMS
from telephony.errors import Conflict, TelephonyError, Unavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class BadRequest(TelephonyError):
    """A request that cannot be read, with what helps to mend it."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(code, message, field=field)
        self.hint = hint
        self.offset = offset


def body(code: str, detail: str, **members: Any) -> dict[str, Any]:
    """Build a problem's body; members that are None are left out."""
    problem = PROBLEMS[code]
    return {
        "type": f"urn:telephony:problem:{code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "code": code,
        **{name: value for name, value in members.items() if value is not None},
    }


def response(code: str, detail: str, **members: Any) -> JSONResponse:
    """Build a problem's response."""
    PROBLEMS_ANSWERED.labels(code=code).inc()
    retry_after = members.pop("retry_after", None)
    headers: dict[str, str] = {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if PROBLEMS[code].status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        body(code, detail, **members),
        status_code=PROBLEMS[code].status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def for_error(error: TelephonyError) -> JSONResponse:
    """Build the response for an error that was raised on purpose."""
    if error.code not in PROBLEMS:
        log.error("error without a row in PROBLEMS", code=error.code)
        return internal_error()
    retry_after = error.retry_after if isinstance(error, Conflict | Unavailable) else None
    return response(
        error.code,
        error.message,
        field=error.field,
        hint=getattr(error, "hint", None),
        offset=getattr(error, "offset", None),
        retry_after=retry_after,
    )


def internal_error() -> JSONResponse:
    """Build the response for what nobody raised on purpose."""
    return response("internal_error", "The request could not be carried out.")


#: Pydantic's error types that we call by another name; all others are ``invalid_value``.
_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "greater_than": "out_of_range",
    "less_than": "out_of_range",
    "finite_number": "out_of_range",
    "string_too_long": "too_large",
    "too_long": "too_large",
    "int_from_float": "invalid_type",
    "int_parsing": "invalid_type",
    "model_attributes_type": "invalid_type",
}


def _code(error_type: str) -> str:
    if error_type in PROBLEMS:
        return error_type
    return _CODES.get(
        error_type, "invalid_type" if error_type.endswith("_type") else "invalid_value"
    )


def _fault(error: dict[str, Any], known: list[str]) -> dict[str, Any]:
    # First comes which part of the request it is: the body, the query, a header.
    location = [str(part) for part in error["loc"][1:] if part != "[key]"]
    field = ".".join(location)[:200] or None
    code = _code(error["type"])
    fault: dict[str, Any] = {"code": code, "field": field, "detail": _sentence(error, code)}
    if code == "unknown_field" and location:
        fault["hint"] = closest(location[-1], known)
    return fault


def closest(name: str, known: list[str]) -> str:
    """Say what was probably meant by a name that is not known."""
    close = get_close_matches(name[:64].lower(), known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."


def _sentence(error: dict[str, Any], code: str) -> str:
    if code == "required":
        return "This field is required."
    if code == "unknown_field":
        return "This field is not known."
    text = str(error["msg"]).removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."


#: More of them help nobody, and cost more than what was sent.
_MOST_FAULTS = 20


def for_validation(error: RequestValidationError, known: list[str]) -> JSONResponse:
    """Build the response for a request that does not fit its schema; ``known`` are its fields."""
    faults = [_fault(fault, known) for fault in error.errors()[:_MOST_FAULTS]]
    first = faults[0]
    return response(
        first["code"],
        first["detail"],
        field=first["field"],
        hint=first.get("hint"),
        errors=faults if len(faults) > 1 else None,
    )


_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def _for_http(error: HTTPException) -> JSONResponse:
    code = _BY_STATUS.get(error.status_code, "internal_error")
    if code == "internal_error" and error.status_code < 500:
        code = "invalid_value"
    built = response(code, f"{PROBLEMS[code].title}.")
    for name, value in (error.headers or {}).items():
        built.headers[name] = value
    return built


def _methods(request: Request) -> list[str]:
    """List what the path takes; the router names only the methods of the first route that fits."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]

    def takes(method: str) -> bool:
        asked = dict(request.scope) | {"method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in routes)

    # Nothing but the page's files is mounted.
    return [method for method in _METHODS if takes(method)] or ["GET", "HEAD"]


def _fields(request: Request) -> list[str]:
    route = request.scope.get("route")
    field = getattr(route, "body_field", None)
    annotation = getattr(getattr(field, "field_info", None), "annotation", None)
    return sorted(getattr(annotation, "model_fields", {}))


def install(app: FastAPI) -> None:
    """Make every error that is raised on purpose a problem; ``Observed`` does it with the rest."""

    async def on_purpose(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, TelephonyError)
        return for_error(error)

    async def not_valid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return for_validation(error, _fields(request))

    async def of_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        built = _for_http(error)
        if error.status_code == 405:
            built.headers["Allow"] = ", ".join(_methods(request))
        return built

    app.add_exception_handler(TelephonyError, on_purpose)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(HTTPException, of_http)
