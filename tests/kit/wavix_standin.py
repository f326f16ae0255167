"""Wavix's API as far as trunks need it.

Source: https://docs.wavix.com/sip-trunking/sip-trunks and the schemas of Wavix's own clients;
fields that are not in them are refused.
"""

from __future__ import annotations

import math

import httpx

from tests.kit.carrier_standin import Json, RecordStandin

_REQUIRED = {
    "label",
    "password",
    "callerid",
    "ip_restrict",
    "didinfo_enabled",
    "call_restrict",
    "channels_restrict",
    "rewrite_enabled",
    "transcription_enabled",
    "transcription_threshold",
}
_FIELDS = {
    "trunks": _REQUIRED
    | {"multiple_numbers", "cost_limit", "call_recording_enabled", "encrypted_media"},
    "numbers": {"destinations"},
}
_ITEMS = {"trunks": "sip_trunks", "numbers": "items"}


class WavixStandin(RecordStandin):
    """One account; ``API-KEY`` opens it."""

    base_url = "https://api.wavix.com"
    key = "API-KEY"

    def __init__(self, *numbers: str) -> None:
        super().__init__()
        self.records = {collection: {} for collection in _FIELDS}
        for number in numbers:
            self.add("numbers", {"number": number.removeprefix("+"), "destination": []})

    def route_elsewhere(self, number: str) -> None:
        """Send a number's calls to a telephone, which is what somebody might have done by hand."""
        for record in self.records["numbers"].values():
            if f"+{record['number']}" == number:
                way = {"id": 1, "destination": "13132847320", "priority": 1, "transport": 4}
                record["destination"] = [way]

    def knows(self, request: httpx.Request) -> bool:
        return request.headers["Authorization"] == f"Bearer {self.key}"

    def refusal(self, words: str) -> Json:
        return {"error": True, "message": words}

    def name_of(self, collection: str, record: Json) -> str:
        return str(record.get("label") or record.get("number"))

    def handle(self, method: str, path: str, query: dict[str, str], body: Json) -> httpx.Response:
        collection, _, id = path.removeprefix("/v1/").partition("/")
        records = self.records[collection]
        if id and id not in records:
            return self.not_found()
        if method == "GET":
            return self._page(collection, query)
        if (refused := self.unknown_fields(body, _FIELDS[collection])) is not None:
            return refused
        if method == "DELETE":
            del records[id]
            return httpx.Response(200, json={"success": True})
        if collection == "numbers":
            ways = [{**way, "id": place} for place, way in enumerate(body["destinations"])]
            records[id]["destination"] = ways
            return httpx.Response(200, json=self._told(collection, id))
        if missing := _REQUIRED - set(body):
            return httpx.Response(422, json=self.refusal(f"Missing: {sorted(missing)}"))
        if not any(body["callerid"] == one["number"] for one in self.records["numbers"].values()):
            return httpx.Response(422, json=self.refusal("callerid is not a number of yours"))
        if method == "PUT":
            records[id] = body
        else:
            id = self.add(collection, body)
        return httpx.Response(201 if method == "POST" else 200, json=self._told(collection, id))

    def _told(self, collection: str, id: str) -> Json:
        record = {**self.records[collection][id], "id": int(id)}
        if collection == "trunks":
            record |= {"name": "32882", "status": "active", "auth_method": "Digest"}
            record["callerid"] = "" if record["multiple_numbers"] else record["callerid"]
            del record["password"]
        return record

    def _page(self, collection: str, query: dict[str, str]) -> httpx.Response:
        page, size = int(query["page"]), int(query["per_page"])
        everything = [self._told(collection, id) for id in self.records[collection]]
        pagination = {
            "current_page": page,
            "per_page": size,
            "total": len(everything),
            "total_pages": math.ceil(len(everything) / size),
        }
        items = everything[(page - 1) * size : page * size]
        return httpx.Response(200, json={_ITEMS[collection]: items, "pagination": pagination})
