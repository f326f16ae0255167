"""Plivo's Zentrunk API as far as trunks need it.

Source: https://plivo.com/docs/sip-trunking/api/trunks.md and beside it; fields that are not
documented there are refused.
"""

from __future__ import annotations

import base64

import httpx

from tests.kit.carrier_standin import Json, RecordStandin

#: Collection -> its path, the name of its ids and its fields.
_COLLECTIONS = {
    "credentials": ("Zentrunk/Credential", "credential_uuid", {"name", "username", "password"}),
    "uris": (
        "Zentrunk/URI",
        "uri_uuid",
        {"name", "uri", "authentication_needed", "username", "password"},
    ),
    "trunks": (
        "Zentrunk/Trunk",
        "trunk_id",
        {
            "name",
            "trunk_direction",
            "trunk_status",
            "secure",
            "ipacl_uuid",
            "credential_uuid",
            "primary_uri_uuid",
            "fallback_uri_uuid",
        },
    ),
    "numbers": ("Number", "number", {"app_id"}),
}
_PAGE_MOST = 20


class PlivoStandin(RecordStandin):
    """One account; ``MA-ID`` and ``TOKEN`` open it."""

    auth_id = "MA-ID"
    token = "TOKEN"
    base_url = f"https://api.plivo.com/v1/Account/{auth_id}"

    def __init__(self, *numbers: str) -> None:
        super().__init__()
        self.records = {collection: {} for collection in _COLLECTIONS}
        for number in numbers:
            digits = number.removeprefix("+")
            self.add("numbers", {"number": digits, "application": None}, id=digits)

    def route_elsewhere(self, number: str) -> None:
        """Route a number to an application that somebody made by hand."""
        record = self.records["numbers"][number.removeprefix("+")]
        record["application"] = f"/v1/Account/{self.auth_id}/Application/77/"

    def knows(self, request: httpx.Request) -> bool:
        pair = base64.b64encode(f"{self.auth_id}:{self.token}".encode()).decode()
        return request.headers["Authorization"] == f"Basic {pair}"

    def refusal(self, words: str) -> Json:
        return {"api_id": "1", "error": words}

    def name_of(self, collection: str, record: Json) -> str:
        return str(record.get("name") or record.get("number"))

    def handle(self, method: str, path: str, query: dict[str, str], body: Json) -> httpx.Response:
        assert path.endswith("/"), "Plivo's paths end with a slash"
        collection, id_name, fields, id = _found(path)
        records = self.records[collection]
        if id and id not in records:
            return self.not_found()
        if method == "GET":
            return self._page(collection, id_name, query)
        if (refused := self.unknown_fields(body, fields) or self._incomplete(body, id)) is not None:
            return refused
        if method == "DELETE":
            if (used := self.in_use(id)) is not None:
                return used
            del records[id]
            return httpx.Response(204)
        if collection == "numbers":
            trunk = self.records["trunks"].get(body["app_id"], {})
            if trunk.get("trunk_direction") != "inbound":
                return httpx.Response(400, json=self.refusal("app_id is invalid"))
            application = f"/v1/Account/{self.auth_id}/Zentrunk/Trunk/{body['app_id']}/"
            records[id]["application"] = application
            return httpx.Response(202, json={"message": "changed"})
        if id:
            records[id] |= body
            return httpx.Response(202, json={"message": "updated", id_name: id})
        return httpx.Response(201, json={"message": "created", id_name: self.add(collection, body)})

    def _page(self, collection: str, id_name: str, query: dict[str, str]) -> httpx.Response:
        limit, offset = int(query["limit"]), int(query["offset"])
        if limit > _PAGE_MOST:
            return httpx.Response(400, json=self.refusal("limit is too large"))
        everything = [
            {name: value for name, value in record.items() if name != "password"} | {id_name: id}
            for id, record in self.records[collection].items()
        ]
        more = (
            f"?limit={limit}&offset={offset + limit}" if offset + limit < len(everything) else None
        )
        meta = {"limit": limit, "offset": offset, "next": more, "total_count": len(everything)}
        return httpx.Response(
            200, json={"meta": meta, "objects": everything[offset : offset + limit]}
        )

    def _incomplete(self, body: Json, id: str) -> httpx.Response | None:
        refs = {
            "credential_uuid": "credentials",
            "primary_uri_uuid": "uris",
            "fallback_uri_uuid": "uris",
        }
        for name, collection in refs.items():
            taken_off = id and name == "fallback_uri_uuid" and name in body and body[name] is None
            if name in body and not taken_off and body[name] not in self.records[collection]:
                return httpx.Response(422, json=self.refusal(f"{name} is unknown"))
        needed = {"inbound": "primary_uri_uuid", "outbound": "credential_uuid"}
        missing = needed.get(str(body.get("trunk_direction")))
        if missing and not id and missing not in body:
            return httpx.Response(422, json=self.refusal(f"{missing} is required"))
        return None


def _found(path: str) -> tuple[str, str, set[str], str]:
    for collection, (start, id_name, fields) in _COLLECTIONS.items():
        if path.startswith(f"/{start}/"):
            return collection, id_name, fields, path.removeprefix(f"/{start}/").strip("/")
    raise AssertionError(path)
