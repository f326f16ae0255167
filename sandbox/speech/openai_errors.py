"""Errors in the shape that OpenAI's clients read."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sandbox.speech.audio import BadAudio
from sandbox.speech.narrator import Busy


class ApiError(Exception):
    """A refusal with a status, a sentence and, where one field is at fault, its name."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of the application in OpenAI's shape."""

    async def on_api_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return error_response(error.status, error.message, param=error.param, code=error.code)

    async def on_bad_body(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"] if part != "body") or None
        message = f"{param}: {first['msg']}" if param else str(first["msg"])
        return error_response(400, message, param=param, code="invalid_value")

    async def on_bad_audio(_: Request, error: Exception) -> JSONResponse:
        return error_response(400, str(error), param="file", code="invalid_audio")

    async def on_busy(_: Request, error: Exception) -> JSONResponse:
        return error_response(503, str(error), code="engine_busy", retry_after=1)

    async def on_http_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return error_response(error.status_code, str(error.detail))

    async def on_surprise(_: Request, error: Exception) -> JSONResponse:
        return error_response(500, f"The server failed: {type(error).__name__}.", code="internal")

    app.add_exception_handler(Exception, on_surprise)
    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(RequestValidationError, on_bad_body)
    app.add_exception_handler(BadAudio, on_bad_audio)
    app.add_exception_handler(Busy, on_busy)
    app.add_exception_handler(HTTPException, on_http_error)


def error_response(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    retry_after: int | None = None,
) -> JSONResponse:
    """Build the answer."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
    headers = {"Retry-After": str(retry_after)} if retry_after else None
    return JSONResponse({"error": body}, status_code=status, headers=headers)
