"""What the OpenAPI document says of errors: each is a problem, and nothing else."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from dialer.calls.schemas import ProblemView
from dialer.problems import MEDIA_TYPE

_SCHEMA = {"$ref": "#/components/schemas/ProblemView"}
#: Schemas that FastAPI writes for errors that we never answer with.
_NEVER = ("HTTPValidationError", "ValidationError")


def install(app: FastAPI) -> None:
    """Correct the document once, when it is first asked for."""
    made = app.openapi

    def corrected() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _correct(made())
        return app.openapi_schema

    app.openapi = corrected


def _correct(document: dict[str, Any]) -> dict[str, Any]:
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                # A route that says itself how it answers, like /readyz, is not a problem's.
                if status[0] in "45" and set(answer.get("content", ())) != {"application/json"}:
                    answer["content"] = {MEDIA_TYPE: {"schema": _SCHEMA}}
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemView"] = ProblemView.model_json_schema()
    for name in _NEVER:
        schemas.pop(name, None)
    return document
