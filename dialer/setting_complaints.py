"""What is wrong with the settings, in lines for the person who sets them."""

from __future__ import annotations

import sys
from typing import NoReturn

from pydantic import ValidationError
from pydantic_settings import BaseSettings


def complaints(kind: type[BaseSettings], error: ValidationError) -> list[str]:
    """Give one line for each thing that is wrong; values are never repeated, they may be secret."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        lines.append(_complaint(kind, name, problem["type"], problem["msg"]))
    return lines


def _complaint(kind: type[BaseSettings], name: str, error_type: str, message: str) -> str:
    said = message.removeprefix("Value error, ")
    field = kind.model_fields.get(name)
    if field is None:
        return said
    what = "is missing" if error_type == "missing" else said
    example = f" (like {field.examples[0]})" if field.examples else ""
    return f"{name.upper()} {what}{example}: {field.description}"


def leave(kind: type[BaseSettings], error: ValidationError) -> NoReturn:
    """Name everything that is wrong and leave with status 2."""
    print("The settings are not complete:", file=sys.stderr)
    for line in complaints(kind, error):
        print(f"  {line}", file=sys.stderr)
    sys.exit(2)
