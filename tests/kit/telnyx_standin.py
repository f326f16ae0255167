"""Telnyx's API as far as trunks need it.

Source: https://developers.telnyx.com/api-reference, FQDN Connections, FQDNs, Outbound Voice
Profiles and Phone Number Configurations; fields that are not documented there are refused.
"""

from __future__ import annotations

import math

import httpx

from tests.kit.carrier_standin import Json, RecordStandin

_FIELDS = {
    "outbound_voice_profiles": {
        "name",
        "enabled",
        "concurrent_call_limit",
        "traffic_type",
        "service_plan",
    },
    "fqdn_connections": {
        "connection_name",
        "active",
        "transport_protocol",
        "encrypted_media",
        "user_name",
        "password",
        "inbound",
        "outbound",
    },
    "fqdns": {"connection_id", "fqdn", "port", "dns_record_type"},
    "phone_numbers": {"connection_id"},
}
_NAMES = {
    "outbound_voice_profiles": "name",
    "fqdn_connections": "connection_name",
    "fqdns": "fqdn",
    "phone_numbers": "phone_number",
}
_PAGE_MOST = 250


class TelnyxStandin(RecordStandin):
    """One account; ``API-KEY`` opens it."""

    base_url = "https://api.telnyx.com/v2"
    key = "API-KEY"

    def __init__(self, *numbers: str) -> None:
        super().__init__()
        self.records = {collection: {} for collection in _FIELDS}
        for number in numbers:
            self.add("phone_numbers", {"phone_number": number, "connection_id": ""})

    def route_elsewhere(self, number: str) -> None:
        """Put a number onto a connection that somebody made by hand."""
        theirs = self.add("fqdn_connections", {"connection_name": "theirs", "active": True})
        for record in self.records["phone_numbers"].values():
            if record["phone_number"] == number:
                record["connection_id"] = theirs

    def knows(self, request: httpx.Request) -> bool:
        return request.headers["Authorization"] == f"Bearer {self.key}"

    def refusal(self, words: str) -> Json:
        return {"errors": [{"code": "10000", "title": "Refused", "detail": words}]}

    def name_of(self, collection: str, record: Json) -> str:
        return str(record[_NAMES[collection]])

    def handle(self, method: str, path: str, query: dict[str, str], body: Json) -> httpx.Response:
        collection, _, id = path.strip("/").partition("/")
        records = self.records[collection]
        if id and id not in records:
            return self.not_found()
        if method == "GET":
            return self._page(collection, query)
        refused = self.unknown_fields(body, _FIELDS[collection]) or self._broken_refs(body)
        if refused is not None:
            return refused
        if method == "DELETE":
            if (used := self.in_use(id)) is not None:
                return used
            del records[id]
            return httpx.Response(200, json={"data": {"id": id}})
        if method == "POST":
            id = self.add(collection, body)
        else:
            inbound = {**records[id].get("inbound", {}), **body.get("inbound", {})}
            records[id] |= body | ({"inbound": inbound} if inbound else {})
        return httpx.Response(
            201 if method == "POST" else 200, json={"data": self._told(collection, id)}
        )

    def _told(self, collection: str, id: str) -> Json:
        return {**self.records[collection][id], "id": id}

    def _page(self, collection: str, query: dict[str, str]) -> httpx.Response:
        number, size = int(query["page[number]"]), int(query["page[size]"])
        if size > _PAGE_MOST:
            return httpx.Response(422, json=self.refusal("page[size] is too large"))
        everything = [self._told(collection, id) for id in self.records[collection]]
        meta = {"total_pages": math.ceil(len(everything) / size), "page_number": number}
        page = everything[(number - 1) * size : number * size]
        return httpx.Response(200, json={"data": page, "meta": meta})

    def _broken_refs(self, body: Json) -> httpx.Response | None:
        connection = body.get("connection_id")
        profile = body.get("outbound", {}).get("outbound_voice_profile_id")
        fqdn = body.get("inbound", {}).get("default_primary_fqdn_id")
        for id, collection in (
            (connection, "fqdn_connections"),
            (profile, "outbound_voice_profiles"),
            (fqdn, "fqdns"),
        ):
            if id and id not in self.records[collection]:
                return httpx.Response(422, json=self.refusal(f"No such {collection}"))
        return None
