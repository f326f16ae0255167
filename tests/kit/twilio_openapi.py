"""Twilio's own OpenAPI description of its APIs, as published in an npm package of Twilio's.

It is fetched once, with the package's hash pinned, into the user's cache, and never copied into
this project: ``python -m tests.kit.twilio_openapi`` does it, and ``make test`` does that.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import httpx
import jsonschema_rs

from sandbox.speech.package_clients import WeightsError, fetch_members

PACKAGE = "@twilio-alpha/mcp"
VERSION = "0.7.0"
SHA256 = "7ff791d1023cad6372496d8aba1c49bc3ffbcf0989b9f96b3a83d2df9d6af755"
#: Host -> the file of the package that describes it.
MEMBERS = {
    "trunking.twilio.com": "package/twilio-oai/spec/json/twilio_trunking_v1.json",
    "api.twilio.com": "package/twilio-oai/spec/json/twilio_api_v2010.json",
    "voice.twilio.com": "package/twilio-oai/spec/json/twilio_voice_v1.json",
}
_METHODS = frozenset({"get", "post", "put", "delete", "patch"})


def folder() -> Path:
    """Tell where the files of this version are kept."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache_home / "telephony" / "openapi" / f"twilio-{VERSION}-{SHA256[:12]}"


def fetch() -> Path:
    """Fetch the files unless they are there."""
    target = folder()
    if all((target / Path(member).name).exists() for member in MEMBERS.values()):
        return target
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as scratch:
        taken = fetch_members(
            registry="npm",
            name=PACKAGE,
            version=VERSION,
            archive_sha256=SHA256,
            members=list(MEMBERS.values()),
            into=Path(scratch),
            waiting=lambda seconds: print(f"  {PACKAGE}: {seconds:.0f} s", flush=True),
        )
        for member, path in taken.items():
            path.replace(target / Path(member).name)
    return target


@dataclass(frozen=True)
class Operation:
    """One documented operation."""

    path: str
    described: Mapping[str, Any]
    document: Mapping[str, Any]

    def form(self) -> tuple[set[str], set[str]]:
        """Give the names of its form's fields: all, and those that must be there."""
        content = self.described.get("requestBody", {}).get("content", {})
        schema = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
        return set(schema.get("properties", ())), set(schema.get("required", ()))

    def form_faults(self, form: Mapping[str, str]) -> list[str]:
        """Tell what is wrong with a form that was sent."""
        known, needed = self.form()
        faults = [f"no such field: {name}" for name in sorted(set(form) - known)]
        faults += [f"missing: {name}" for name in sorted(needed - set(form))]
        content = self.described.get("requestBody", {}).get("content", {})
        schema = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
        for name in sorted(set(form) & known):
            value = _typed(form[name], self._resolved(schema["properties"][name]))
            faults += self._faults(schema["properties"][name], value, name)
        return faults

    def query_faults(self, params: Mapping[str, str]) -> list[str]:
        """Tell which parameters of a URL are not documented."""
        known = {p["name"] for p in self.described.get("parameters", ()) if p["in"] == "query"}
        return [f"no such parameter: {name}" for name in sorted(set(params) - known)]

    def body_faults(self, status: int, body: Any) -> list[str]:
        """Tell what is wrong with an answer: its status, its fields, their types."""
        answers = self.described["responses"]
        if str(status) not in answers:
            return [f"status {status}, documented: {', '.join(answers)}"]
        schema = answers[str(status)].get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return [] if body is None else ["a body where none is documented"]
        return [*self._faults(schema, body, "body"), *self._undocumented(schema, body, "body")]

    def told_in_a_list(self) -> set[str]:
        """Give the fields that an entry of this list has."""
        answer = self.described["responses"]["200"]["content"]["application/json"]["schema"]
        lists = [
            self._resolved(field)
            for field in self._resolved(answer)["properties"].values()
            if self._resolved(field).get("type") == "array"
        ]
        return {name for one in lists for name in self._resolved(one["items"])["properties"]}

    def _faults(self, schema: Mapping[str, Any], value: Any, where: str) -> list[str]:
        root = {"$ref": "#/it", "it": schema, "components": self.document["components"]}
        validator = jsonschema_rs.Draft202012Validator(json.loads(json.dumps(root, default=str)))
        return [f"{where}: {error.message}" for error in validator.iter_errors(value)]

    def _undocumented(self, schema: Any, value: Any, where: str) -> Iterator[str]:
        schema = self._resolved(schema)
        if isinstance(value, list):
            for item in cast("list[Any]", value):
                yield from self._undocumented(schema.get("items", {}), item, f"{where}[]")
        elif isinstance(value, dict) and schema.get("properties"):
            for name, inner in cast("dict[str, Any]", value).items():
                if name not in schema["properties"]:
                    yield f"{where}.{name} is not documented"
                else:
                    yield from self._undocumented(
                        schema["properties"][name], inner, f"{where}.{name}"
                    )

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            node: Any = self.document
            for part in str(schema["$ref"]).removeprefix("#/").split("/"):
                node = node[part]
            schema = node
        return schema


class Published:
    """The description, by host."""

    def __init__(self) -> None:
        self._documents = {host: document(host) for host in MEMBERS}

    def operation(self, method: str, url: httpx.URL) -> Operation:
        """Find what describes a request.

        Errors: LookupError when nothing does.
        """
        described = self._documents[url.host]
        for template, item in described["paths"].items():
            if method.lower() in item and _as_pattern(template).fullmatch(url.path):
                parameters = [
                    *item.get("parameters", ()),
                    *item[method.lower()].get("parameters", ()),
                ]
                operation = {**item[method.lower()], "parameters": parameters}
                return Operation(template, operation, described)
        raise LookupError(f"{method} {url.copy_with(query=None)} is not documented")


@cache
def document(host: str) -> Mapping[str, Any]:
    """Read the description of one host, in JSON Schema's own words.

    Errors: FileNotFoundError when it was not fetched: ``make test`` fetches it.
    """
    path = folder() / Path(MEMBERS[host]).name
    return _nullable_as_types(json.loads(path.read_text(encoding="utf-8")))


def _nullable_as_types(node: Any) -> Any:
    """Write OpenAPI 3.0's ``nullable`` as JSON Schema has it."""
    if isinstance(node, list):
        return [_nullable_as_types(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    written = {
        key: _nullable_as_types(value) for key, value in cast("dict[str, Any]", node).items()
    }
    if written.pop("nullable", False) is True:
        if isinstance(written.get("type"), str):
            written["type"] = [written["type"], "null"]
        if isinstance(written.get("enum"), list):
            written["enum"] = [*written["enum"], None]
        if "$ref" in written:
            written = {"anyOf": [{"$ref": written.pop("$ref")}, {"type": "null"}], **written}
    return written


@cache
def _as_pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(re.sub(r"\{[A-Za-z]+\}", "[^/.]+", escaped))


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """Read a form's text as its schema means it."""
    types = schema.get("type")
    if types == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if types == "integer" and text.lstrip("-").isdigit():
        return int(text)
    return text


def main() -> int:
    """Fetch the description, with a word about where it is."""
    try:
        print(f"Twilio's OpenAPI description: {fetch()}")
    except WeightsError as error:
        print(f"Twilio's OpenAPI description: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
