"""YAML as it is written: plain data, and where in the text each part of it stands.

Only ``true``, ``false``, ``null`` and numbers without a plus are more than text, as YAML 1.2 has
it: ``off``, ``NO``, ``+14155550100`` and ``2026-12-25`` stay what they look like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import yaml

from trunks.resources import Complaint
from trunks.words import Referenced

Path: TypeAlias = "tuple[str | int, ...]"

#: Parts that aliases may repeat, in all.
_MAX_REPEATED = 20_000
_MAX_DEPTH = 32
_MAX_DIGITS = 30
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


if TYPE_CHECKING:
    _Base = yaml.SafeLoader
else:
    # Where it was built with libyaml, thousands of numbers are read ten times as fast.
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _typed(untyped: Any) -> Any:
    """Look at a part of the library whose types are not told."""
    return untyped


class _Loader(_Base):
    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 (the library copies it for each class)


for _tag, _pattern, _first in (
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)\Z", list("tTfF")),
    ("null", r"(?:null|Null|NULL|~|)\Z", ["n", "N", "~", ""]),
    ("int", r"-?[0-9]+\Z", list("-0123456789")),
    ("float", r"-?[0-9]+\.[0-9]+\Z", list("-0123456789")),
):
    _typed(_Loader).add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the text something stands.

    Units: ``line`` and ``column`` count from 1.
    """

    line: int = 1
    column: int = 1


@dataclass(slots=True)
class Written:
    """A document as it is written; ``complaints`` are about the writing itself."""

    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict[Path, Place])
    names: dict[Path, Place] = field(default_factory=dict[Path, Place])
    complaints: list[Complaint] = field(default_factory=list[Complaint])

    @property
    def top(self) -> dict[str, Any]:
        """Give the document as a mapping, an empty one where it is none."""
        data: Any = self.data
        return cast("dict[str, Any]", data) if isinstance(data, dict) else {}

    def place(self, path: Path, *, of_name: bool = False) -> Place:
        """Tell where a path stands, or the nearest part above it that does."""
        if of_name and path in self.names:
            return self.names[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Place())


class Unreadable(Exception):
    """The text cannot be taken at all."""

    def __init__(self, code: str, message: str, place: Place) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = place


def read(text: str, environment: Mapping[str, str]) -> Written:
    """Read a text, with ``${NAME}`` replaced from the environment.

    Errors: Unreadable ``not_yaml`` or ``too_large``.
    """
    try:
        node: yaml.Node | None = _typed(yaml).compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place()
        said = f"{error.problem or error.context}".strip()
        raise Unreadable("not_yaml", f"This is no YAML: {said}.", place) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise Unreadable("not_yaml", f"This is no YAML: {said}.", Place()) from None
    reader = _Reader(environment)
    if node is not None:
        reader.written.data = reader.read(node, ())
    return reader.written


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.written = Written()
        self._environment = environment
        self._seen: set[int] = set()
        self._repeated = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        place = _place(node)
        self._repeated += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeated > _MAX_REPEATED or len(path) > _MAX_DEPTH:
            raise Unreadable("too_large", "The document is beyond all bounds.", place)
        self.written.values[path] = place
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                self._complain((*path, "?"), "not_a_name", "A name must be plain text.", name_node)
                continue
            name = str(name_node.value)
            inner = (*path, name)
            if name in found:
                first = self.written.names[inner].line
                said = f"This name stands on line {first} already."
                self._complain(inner, "duplicate_key", said, name_node)
                continue
            self.written.names[inner] = _place(name_node)
            found[name] = self.read(value_node, inner)
            if not isinstance(value_node, yaml.ScalarNode):
                # Whoever looks for a whole part looks for its name.
                self.written.values[inner] = self.written.names[inner]
        return found

    def _complain(self, path: Path, code: str, message: str, node: yaml.Node) -> None:
        self.written.names[path] = _place(node)
        self.written.complaints.append(Complaint(path, code, message))

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = str(node.value)
        if "${" in text:
            return self._with_references(text, path)
        return _plain(text, node.tag.rpartition(":")[2])

    def _with_references(self, text: str, path: Path) -> str:
        whole = _REFERENCE.fullmatch(text) is not None
        for name in _REFERENCE.findall(text):
            if not self._environment.get(name):
                said = f"${{{name}}} is not set, neither in the environment nor in .env."
                self.written.complaints.append(Complaint(path, "variable_not_set", said))
        filled = _REFERENCE.sub(lambda match: self._environment.get(match[1], ""), text)
        return Referenced(filled) if whole else filled


def _plain(text: str, kind: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind in ("int", "float"):
        try:
            return int(text[:_MAX_DIGITS]) if kind == "int" else float(text)
        except ValueError:  # a tag that promises what the text does not hold
            return text
    return text


def _place(node: yaml.Node) -> Place:
    mark = node.start_mark
    return Place(mark.line + 1, mark.column + 1)
