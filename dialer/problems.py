"""Errors on the wire: one table from code to HTTP status, one shape of body (RFC 9457).

A body holds ``type``, ``title``, ``status``, ``detail`` and ``code``; where they say something
``field`` (which part of the request), ``hint`` (what was probably meant), ``offset`` (where in the
body) and ``errors`` (all faults, when there are several). What nobody raised on purpose becomes
``internal_error`` without a word about its cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from dialer.metrics import PROBLEMS_ANSWERED
from telephony.errors import Conflict, TelephonyError, Unavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a code means on the wire, and what its reader may do."""

    status: int
    title: str
    advice: str


PROBLEMS: dict[str, Problem] = {
    "invalid_json": Problem(
        400,
        "The body is not valid JSON",
        "Send strict JSON in UTF-8: no byte order mark, no trailing comma, no NaN, no key twice. "
        "`offset` is the byte at which reading stopped.",
    ),
    "invalid_idempotency_key": Problem(
        400, "The Idempotency-Key cannot be used", "Send 1 to 255 printable ASCII characters."
    ),
    "unauthorized": Problem(
        401,
        "The credentials are missing or not valid",
        "Send `Authorization: Bearer` with an API key that is neither revoked nor expired.",
    ),
    "caller_id_not_owned": Problem(
        403,
        "This caller ID is not yours",
        "Use a number of SIP_CALLER_IDS, or leave `caller_id` out.",
    ),
    "emergency_blocked": Problem(
        403,
        "Emergency and crisis numbers are never dialled",
        "Nothing to do: a machine must not call these.",
    ),
    "premium_blocked": Problem(
        403,
        "This number charges whoever calls it",
        "Nothing to do: premium, shared-cost and personal numbers are never dialled.",
    ),
    "high_risk_destination": Problem(
        403,
        "Satellite and international networks are never dialled",
        "Nothing to do: codes that belong to no country cost too much to be called by mistake.",
    ),
    "country_not_allowed": Problem(
        403,
        "Calls to this country are not allowed",
        "Whoever runs the gateway adds it to ALLOWED_COUNTRIES, which defaults to the countries of "
        "SIP_CALLER_IDS. +1 is many countries: Canada and each of the Caribbean are their own.",
    ),
    "cross_site": Problem(
        403,
        "The request comes from another site",
        "The page's cookie is taken from the page itself only; programs use an API key.",
    ),
    "agent_not_found": Problem(
        404, "There is no such agent", "Use a name from the agents file; the default is `default`."
    ),
    "call_not_found": Problem(404, "There is no such call", "Check the id."),
    "not_found": Problem(404, "There is nothing here", "Check the path; /docs lists all of them."),
    "method_not_allowed": Problem(
        405, "This path does not take this method", "The Allow header lists those that it takes."
    ),
    "idempotency_in_flight": Problem(
        409,
        "The first request with this key is still being worked on",
        "Send the same request again after Retry-After seconds.",
    ),
    "permit_refused": Problem(
        409,
        "This attempt may not be dialled",
        "For workers: leave the room without a word; somebody else has the permit or the call is "
        "over.",
    ),
    "body_too_large": Problem(
        413,
        "The body is too large",
        "Stay under 256 KB. Compressed bodies are not taken.",
    ),
    "unsupported_media_type": Problem(
        415, "The body is of a type that is not taken", "Send `Content-Type: application/json`."
    ),
    "required": Problem(422, "A field is missing", "Add the field that `field` names."),
    "invalid_type": Problem(
        422,
        "A field is of the wrong type",
        "Numbers are numbers and texts are texts; leave a field out rather than sending null.",
    ),
    "invalid_value": Problem(422, "A field has a value that is not taken", "See `detail`."),
    "out_of_range": Problem(422, "A number is out of range", "`detail` names the range."),
    "too_large": Problem(422, "A field is too large", "`detail` names the limit."),
    "too_deep": Problem(422, "A field is nested too deeply", "`detail` names the limit."),
    "unknown_field": Problem(
        422, "There is no such field", "`hint` names the closest one that there is."
    ),
    "invalid_number": Problem(
        422, "This is not a phone number", "Write it in E.164 form, like +14155550100."
    ),
    "not_e164": Problem(
        422,
        "The phone number is not in E.164 form",
        "Write a plus, the country code and the number, like +14155550100.",
    ),
    "invalid_characters": Problem(
        422,
        "The phone number holds characters that none has",
        "Send digits, spaces and ().-/ only.",
    ),
    "letters_not_allowed": Problem(
        422, "The phone number holds letters", "Write the digits behind the letters."
    ),
    "use_dtmf_field": Problem(
        422,
        "Extensions do not belong in the number",
        "Send the number alone; let the agent press the digits after the answer.",
    ),
    "sip_uri_not_allowed": Problem(
        422, "This is a URI, not a phone number", "Write the number in E.164 form."
    ),
    "caller_id_invalid": Problem(
        422,
        "The caller ID is not a phone number",
        "Calls are never anonymous: use a number you own.",
    ),
    "self_call": Problem(
        422, "The call would ring the number it comes from", "Use another number or caller ID."
    ),
    "variable_missing": Problem(
        422, "The agent needs a variable that was not sent", "Add it to `variables`."
    ),
    "idempotency_mismatch": Problem(
        422,
        "This Idempotency-Key came with another body before",
        "Use a new key for a new request; repeat the same body for a repeated one.",
    ),
    "invalid_cursor": Problem(
        422, "The cursor is not one of ours", "Use `next_cursor` of the page before, as it is."
    ),
    "queue_full": Problem(
        429, "Too many calls are waiting", "Send it again after Retry-After seconds."
    ),
    "internal_error": Problem(
        500, "Something went wrong on our side", "The log has the cause under the X-Request-Id."
    ),
    "database_unavailable": Problem(
        503, "The database cannot be reached", "Send it again after Retry-After seconds."
    ),
    "media_server_unavailable": Problem(
        503, "LiveKit cannot be reached", "Send it again after Retry-After seconds."
    ),
    "redis_unavailable": Problem(
        503, "Redis cannot be reached", "Send it again after Retry-After seconds."
    ),
    "no_worker": Problem(
        503, "No worker can take the call now", "Send it again after Retry-After seconds."
    ),
    "trunk_not_configured": Problem(
        503, "There is no trunk to call through", "Set SIP_TRUNK_ADDRESS and SIP_CALLER_IDS."
    ),
}


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
    location = [
        str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")
    ]
    field = ".".join(part for part in location if part != "[key]")[:200] or None
    code = _code(error["type"])
    fault: dict[str, Any] = {"code": code, "field": field, "detail": _sentence(error, code)}
    if code == "unknown_field" and location:
        close = get_close_matches(location[-1][:64].lower(), known, n=1, cutoff=0.5)
        fault["hint"] = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."
    return fault


def _sentence(error: dict[str, Any], code: str) -> str:
    if code == "required":
        return "This field is required."
    if code == "unknown_field":
        return "This field is not known."
    text = str(error["msg"]).removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."


def for_validation(error: RequestValidationError, known: list[str]) -> JSONResponse:
    """Build the response for a request that does not fit its schema; ``known`` are its fields."""
    faults = [_fault(fault, known) for fault in error.errors()]
    first = faults[0]
    return response(
        first["code"],
        first["detail"],
        field=first["field"],
        hint=first.get("hint"),
        errors=faults if len(faults) > 1 else None,
    )


_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def _for_http(error: HTTPException) -> JSONResponse:
    code = _BY_STATUS.get(error.status_code, "internal_error")
    if code == "internal_error" and error.status_code < 500:
        code = "invalid_value"
    built = response(code, f"{PROBLEMS[code].title}.")
    for name, value in (error.headers or {}).items():
        built.headers[name] = value
    return built


def _fields(request: Request) -> list[str]:
    route = request.scope.get("route")
    field = getattr(route, "body_field", None)
    annotation = getattr(getattr(field, "field_info", None), "annotation", None)
    return sorted(getattr(annotation, "model_fields", {}))


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""

    async def on_purpose(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, TelephonyError)
        return for_error(error)

    async def not_valid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return for_validation(error, _fields(request))

    async def of_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _for_http(error)

    async def by_accident(_: Request, error: Exception) -> JSONResponse:
        return internal_error()

    app.add_exception_handler(TelephonyError, on_purpose)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, by_accident)
