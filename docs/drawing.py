"""Draw the generated parts of the documentation: tables, and where they go in a page."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined


def table(head: list[str], rows: list[list[str]]) -> str:
    """Draw a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def type_name(annotation: Any) -> str:
    """Name a type for people."""
    if get_origin(annotation) in (Union, UnionType):
        parts = [type_name(part) for part in get_args(annotation) if part is not type(None)]
        return " or ".join(parts)
    if get_args(annotation) and get_origin(annotation) is not dict:
        return ", ".join(f"`{value}`" for value in get_args(annotation) if isinstance(value, str))
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name)


def default_of(field: FieldInfo) -> str:
    """Give a default as it would be written; empty where the setting is required."""
    if field.is_required():
        return "**required**"
    if field.default is PydanticUndefined:
        return "made at start" if field.default_factory else ""
    value = field.default
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if text in ("", ()):
        return "empty"
    return f"`{text}`"


def between(text: str, name: str, part: str) -> str:
    """Put a part between its two markers.

    Errors: ValueError when the markers are not there.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"no markers for {name}")
    return f"{before}{begin}\n{part}\n{end}{after}"
