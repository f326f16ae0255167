"""Read trunks.yaml: everything that is wrong is told at once, each fault with its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from telephony import numbers
from telephony.errors import InvalidNumber
from telephony.opening_hours import WrongHours
from trunks import rules, written
from trunks.desired import Desired
from trunks.faults import FAULTS, Fault, FileError, closest
from trunks.resources import Complaint
from trunks.written import Path, Written

_MAX_FILE = 8 * 1024 * 1024

#: What a file that names no LiveKit means.
_LIVEKIT = {
    "url": "LIVEKIT_URL",
    "api_key": "LIVEKIT_API_KEY",
    "api_secret": "LIVEKIT_API_SECRET",
}

#: Pydantic's names of errors -> ours. What ends with ``_type`` is ``invalid_type``.
_CODES = {
    "missing": "required",
    "union_tag_not_found": "required",
    "extra_forbidden": "unknown_field",
    "literal_error": "not_one_of",
    "union_tag_invalid": "not_one_of",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "greater_than": "out_of_range",
    "less_than": "out_of_range",
    "bool_parsing": "invalid_type",
    "int_parsing": "invalid_type",
    "int_from_float": "invalid_type",
    "float_parsing": "invalid_type",
}

#: Pydantic's names of types that YAML has, in words.
_EXPECTED = {
    "model_type": "A mapping of names to values",
    "dict_type": "A mapping of names to values",
    "tuple_type": "A list",
    "string_type": "Text (in quotes where it looks like a number)",
    "bool_type": "true or false",
    "int_type": "A whole number",
    "float_type": "A number",
}


@dataclass(slots=True)
class File:
    """A file that was read: what it wants, and what is doubtful in it."""

    name: str
    desired: Desired
    document: Written = field(repr=False)
    warnings: list[Fault] = field(default_factory=list[Fault])

    def located(self, complaints: Iterable[Complaint]) -> list[Fault]:
        """Put each complaint where it stands in the text; of several about one part, the first."""
        return located(self.name, self.document, complaints)

    def judge(self, complaints: Iterable[Complaint]) -> None:
        """Keep what is only doubtful. Errors: FileError with all that is wrong."""
        faults = self.located(complaints)
        self.warnings += [fault for fault in faults if fault.warning]
        if wrong := [fault for fault in faults if not fault.warning]:
            raise FileError(wrong)


def load(
    path: FilePath, *, environment: Mapping[str, str], deployment: str, i_know: bool = False
) -> File:
    """Read and check a file. Errors: FileError."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(str(path), "cannot_be_read", f"It cannot be read: {error}.") from None
    if len(raw) > _MAX_FILE:
        raise _unreadable(str(path), "too_large", f"It is larger than {_MAX_FILE} bytes.")
    return parse(
        text, name=str(path), environment=environment, deployment=deployment, i_know=i_know
    )


def parse(
    text: str,
    *,
    environment: Mapping[str, str],
    deployment: str,
    name: str = "trunks.yaml",
    i_know: bool = False,
) -> File:
    """Check the text of a file; ``deployment`` is what it is where the file says nothing.

    Errors: FileError.
    """
    try:
        document = written.read(text, environment)
    except written.Unreadable as error:
        raise _unreadable(name, error.code, error.message, error.place) from None
    _fill_in(document, environment, deployment)
    desired, complaints = _validated(document)
    if desired is None:
        raise FileError(located(name, document, complaints))
    file = File(name, desired, document)
    file.judge([*complaints, *rules.check(desired, i_know=i_know)])
    return file


def _unreadable(
    name: str, code: str, message: str, place: written.Place | None = None
) -> FileError:
    where = place or written.Place()
    return FileError([Fault(name, where.line, where.column, "", code, message)])


def _fill_in(document: Written, environment: Mapping[str, str], deployment: str) -> None:
    document.top.setdefault("deployment", deployment)
    if "livekit" in document.top:
        return
    implied = "".join(f"{name}: ${{{variable}}}\n" for name, variable in _LIVEKIT.items())
    livekit = written.read(implied, environment)
    document.top["livekit"] = livekit.data
    document.values.update({("livekit", *path): written.Place() for path in livekit.values})
    document.complaints += [
        Complaint(("livekit", *one.path), one.code, one.message) for one in livekit.complaints
    ]


def _validated(document: Written) -> tuple[Desired | None, list[Complaint]]:
    complaints = [*document.complaints, *_numbers_twice(document)]
    try:
        return Desired.model_validate(document.data), complaints
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            complaints.append(_complaint(dict(one), document))
        return None, complaints


def _numbers_twice(document: Written) -> list[Complaint]:
    """Find numbers that are written in two ways: one would silently replace the other."""
    spelled: dict[str, str] = {}
    complaints: list[Complaint] = []
    for raw in _names_of_numbers(document):
        digits = _digits(raw)
        if digits in spelled:
            said = f"This number stands there already, as {spelled[digits]}."
            complaints.append(Complaint(("numbers", raw), "duplicate_number", said))
        spelled[digits] = raw
    return complaints


def _names_of_numbers(document: Written) -> list[str]:
    ours: Any = document.top.get("numbers")
    return list(cast("dict[str, Any]", ours)) if isinstance(ours, dict) else []


def _digits(raw: str) -> str:
    try:
        return numbers.written(raw)
    except InvalidNumber:
        return raw


def _complaint(error: dict[str, Any], document: Written) -> Complaint:
    kind, context, message = str(error["type"]), error.get("ctx", {}), str(error["msg"])
    code = str(context.get("code", "")) or _code(kind)
    if isinstance(wrong := context.get("error"), WrongHours):
        code, message = wrong.code, str(wrong)
    path = _path(error["loc"], document, missing=kind == "missing")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        path = (*path, "kind")
    return Complaint(path, code, _sentence(code, path, kind, message, context))


def _code(kind: str) -> str:
    if kind in FAULTS:
        return kind
    return _CODES.get(kind, "invalid_type" if kind.endswith("_type") else "invalid_value")


def _path(location: tuple[str | int, ...], document: Written, *, missing: bool) -> Path:
    """Leave out what pydantic puts between: the kind of a union, and that a name is meant."""
    path: Path = ()
    for part in location[:-1] if missing else location:
        if (*path, part) in document.values:
            path = (*path, part)
    return (*path, location[-1]) if missing else path


def _sentence(code: str, path: Path, kind: str, message: str, context: Mapping[str, Any]) -> str:
    if code == "required":
        return "This is missing."
    if code == "unknown_field":
        return f"There is no such field. {closest(str(path[-1]), fields_at(path[:-1]))}"
    if code == "not_one_of":
        return f"It must be {context.get('expected') or context.get('expected_tags')}."
    if kind in _EXPECTED:
        return f"{_EXPECTED[kind]} is expected here."
    said = message.removeprefix("Input ")
    said = said[:1].upper() + said[1:]
    return said if said.endswith((".", "?", "!")) else f"{said}."


def fields_at(path: Path) -> list[str]:
    """Name the fields that a part of the file may have."""
    models: list[type[BaseModel]] = [Desired]
    for part in path:
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        # A name that the operator chose, or a position, leads into the same models.
        models = [model for one in annotations for model in _models(one)] or models
    return sorted({name for model in models for name in model.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def located(name: str, document: Written, complaints: Iterable[Complaint]) -> list[Fault]:
    """Put each complaint where it stands in the text; of several about one part, the first."""
    spelled = {_digits(raw): raw for raw in _names_of_numbers(document)}
    faults: dict[tuple[Path, bool], Fault] = {}
    for one in complaints:
        path = one.path
        if path[:1] == ("numbers",) and len(path) > 1:
            path = ("numbers", spelled.get(str(path[1]), path[1]), *path[2:])
        at_name = one.code in ("unknown_field", "duplicate_key", "duplicate_number", "not_a_name")
        place = document.place(path, of_name=at_name)
        dotted = ".".join(map(str, path))
        fault = Fault(name, place.line, place.column, dotted, one.code, one.message, one.warning)
        faults.setdefault((path, one.warning), fault)
    return sorted(faults.values())
