"""What the documentation says of trunks.yaml: its schema, its fields and its codes."""

from __future__ import annotations

import json
from typing import Any

from docs.drawing import table
from trunks import errors as far_end
from trunks import exits
from trunks.desired import Desired
from trunks.faults import FAULTS

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def trunks_schema() -> str:
    """Write docs/trunks.schema.json, with which editors check a trunks.yaml while it is written."""
    schema = Desired.model_json_schema()
    return json.dumps({"$schema": _SCHEMA, **schema}, indent=2, ensure_ascii=False)


def trunks_fields() -> str:
    """Draw a table for each part of trunks.yaml."""
    schema = Desired.model_json_schema()
    parts = [_fields_table("The file", schema)]
    parts += [_fields_table(name, part) for name, part in sorted(schema["$defs"].items())]
    return "\n\n".join(parts)


def _fields_table(title: str, part: dict[str, Any]) -> str:
    required: list[str] = part.get("required", [])
    rows = [
        [f"`{name}`", _default_in(field, name in required), field.get("description", "")]
        for name, field in part["properties"].items()
    ]
    about = "" if title == "The file" else f"{part.get('description', '')}\n\n"
    return f"### {title}\n\n{about}" + table(["field", "default", "meaning"], rows)


def _default_in(field: dict[str, Any], required: bool) -> str:
    if required:
        return "**required**"
    value = field.get("default")
    return "empty" if value in (None, [], {}, "") else f"`{json.dumps(value)}`"


def trunks_codes() -> dict[str, str]:
    """Draw the tables of codes of docs/trunks.md."""
    told = ["code", "meaning"]
    return {
        "trunks-fields": trunks_fields(),
        "trunks-exits": table(
            ["status", "meaning"],
            [[str(int(status)), text] for status, text in exits.MEANING.items()],
        ),
        "trunks-faults": table(told, [[f"`{code}`", text] for code, text in FAULTS.items()]),
        "trunks-errors": table(told, [[f"`{c}`", text] for c, text in far_end.CODES.items()]),
    }
