"""A carrier's API that remembers what it was told, and fails where a test wants it to.

What is common to all: counting requests, refusing wrong credentials, dying at a chosen request
before or after it took effect, and telling its whole state without the ids that it made up.
"""

from __future__ import annotations

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, cast

import httpx

Json = dict[str, Any]


class Killed(BaseException):
    """The process that asked is gone; nothing catches this."""


class Fault(Enum):
    """What happens at a request."""

    KILLED_BEFORE = auto()
    KILLED_AFTER = auto()
    NO_CONNECTION = auto()
    LOST_ANSWER = auto()
    BUSY = auto()
    BROKEN = auto()
    BROKEN_AFTER = auto()


#: Those after which the request took effect all the same.
AFTER = {Fault.KILLED_AFTER, Fault.LOST_ANSWER, Fault.BROKEN_AFTER}
RETRY_AFTER = 7


class Standin(ABC):
    """What every carrier's stand-in is asked by the suite."""

    base_url = ""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.faults: dict[int, Fault] = {}

    @property
    def writes(self) -> int:
        """Count the requests that are not for reading."""
        return sum(method != "GET" for method, _ in self.requests)

    @abstractmethod
    def answer(self, request: httpx.Request) -> httpx.Response:
        """Take a request; for ``respx``."""

    @abstractmethod
    def state(self) -> dict[str, list[str]]:
        """Tell all that is there, ids replaced by what they stand for."""

    @abstractmethod
    def route_elsewhere(self, number: str) -> None:
        """Use a number for something else, as somebody might have done by hand."""


class RecordStandin(Standin):
    """One that keeps records of JSON; each carrier says what is done with them."""

    def __init__(self) -> None:
        super().__init__()
        #: Collection -> id -> record.
        self.records: dict[str, dict[str, Json]] = {}
        self._ids = itertools.count(1001)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Take a request; for ``respx``."""
        path = str(request.url).removeprefix(self.base_url).partition("?")[0]
        fault = self.faults.get(len(self.requests))
        self.requests.append((request.method, path))
        if fault is not None and fault not in AFTER:
            return _failed(fault, request)
        if not self.knows(request):
            return httpx.Response(401, json=self.refusal("Authentication failed"))
        body = cast(Json, json.loads(request.content)) if request.content else {}
        told = self.handle(request.method, path, dict(request.url.params), body)
        return told if fault is None else _failed(fault, request)

    def state(self) -> dict[str, list[str]]:
        """Tell all that is there, ids replaced by what they stand for."""
        names = {
            id: f"<{collection} {self.name_of(collection, record)}>"
            for collection, records in self.records.items()
            for id, record in records.items()
        }
        return {
            collection: sorted(
                json.dumps(_named(record, names), sort_keys=True) for record in records.values()
            )
            for collection, records in self.records.items()
        }

    def add(self, collection: str, record: Json, id: str | None = None) -> str:
        """Keep a record, and give its id."""
        key = id or str(next(self._ids))
        self.records.setdefault(collection, {})[key] = record
        return key

    # What each carrier does in its own way.

    @abstractmethod
    def knows(self, request: httpx.Request) -> bool:
        """Tell whether the credentials are right."""

    @abstractmethod
    def refusal(self, words: str) -> Json:
        """Put words into the carrier's form of an error."""

    @abstractmethod
    def name_of(self, collection: str, record: Json) -> str:
        """Tell what a record is called."""

    @abstractmethod
    def handle(self, method: str, path: str, query: dict[str, str], body: Json) -> httpx.Response:
        """Do what is asked."""

    def not_found(self) -> httpx.Response:
        """Say that there is no such thing."""
        return httpx.Response(404, json=self.refusal("Not found"))

    def in_use(self, id: str) -> httpx.Response | None:
        """Refuse to take away what something else refers to."""
        others = (
            record
            for records in self.records.values()
            for other, record in records.items()
            if other != id
        )
        if all(_named(record, {id: ""}) == record for record in others):
            return None
        return httpx.Response(409, json=self.refusal("It is in use"))

    def unknown_fields(self, body: Json, documented: set[str]) -> httpx.Response | None:
        """Refuse what the carrier's documentation does not have."""
        unknown = sorted(set(body) - documented)
        return httpx.Response(422, json=self.refusal(f"Unknown: {unknown}")) if unknown else None


def _failed(fault: Fault, request: httpx.Request) -> httpx.Response:
    match fault:
        case Fault.KILLED_BEFORE | Fault.KILLED_AFTER:
            raise Killed
        case Fault.NO_CONNECTION:
            raise httpx.ConnectError("refused", request=request)
        case Fault.LOST_ANSWER:
            raise httpx.ReadTimeout("no answer", request=request)
        case Fault.BUSY:
            return httpx.Response(429, headers={"Retry-After": str(RETRY_AFTER)}, json={})
        case Fault.BROKEN | Fault.BROKEN_AFTER:
            return httpx.Response(502, text="<html>Bad gateway</html>")


def _named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _named(part, names) for key, part in cast(Json, value).items()}
    if isinstance(value, list):
        return [_named(part, names) for part in cast("list[Any]", value)]
    if isinstance(value, str) and value in names:
        return names[value]
    replace: Callable[[str], str] = lambda text: next(  # noqa: E731
        (text.replace(id, name) for id, name in names.items() if f"/{id}/" in text), text
    )
    return replace(value) if isinstance(value, str) else value
