"""Telnyx: a connection by host name, what it may dial, where its calls go, and its numbers.

Source: https://developers.telnyx.com/api-reference/fqdn-connections/create-an-fqdn-connection.md,
https://developers.telnyx.com/api-reference/fqdns/create-an-fqdn.md and the schemas behind them;
which fields a bridge of LiveKit needs: https://docs.livekit.io/sip/quickstarts/configuring-telnyx-trunk
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trunks import telnyx_wanted
from trunks.errors import TrunkError
from trunks.resources import Complaint, Found, Key, Value, Wanted
from trunks.rest_api import MOST_PAGES, Json, RestApi, as_made, part, understanding
from trunks.telnyx_wanted import CONNECTION, FIRST, FQDN, NUMBER, PROFILE

if TYPE_CHECKING:
    from trunks.accounts import Telnyx
    from trunks.desired import Desired

API = "https://api.telnyx.com/v2"

_PAGE = 250
#: Numbers with their plus both ways: what the bridge compares with its trunks' numbers.
_FORMATS = {"ani_number_format": "+E.164", "dnis_number_format": "+e164"}
_PATHS = {
    PROFILE: "/outbound_voice_profiles",
    CONNECTION: "/fqdn_connections",
    FQDN: "/fqdns",
    NUMBER: "/phone_numbers",
}


class TelnyxTrunking:
    """The adapter for one carrier."""

    def __init__(
        self, *, carrier_name: str, carrier: Telnyx, deployment: str, base_url: str = API
    ) -> None:
        self._name = carrier_name
        self._deployment = deployment
        self._api = RestApi(
            carrier="Telnyx",
            base_url=base_url,
            credentials=f"carriers.{carrier_name}.api_key",
            headers={"Authorization": f"Bearer {carrier.api_key.get_secret_value()}"},
        )
        #: As last listed: number -> its record, and connection -> where its calls go first.
        self._numbers: dict[str, Json] = {}
        self._firsts: dict[str, str] = {}

    @property
    def place(self) -> str:
        """Name the place."""
        return f"telnyx:{self._name}"

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Say what the file wants in the carrier."""
        return telnyx_wanted.wanted(desired, self._name, self.place)

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Find what Telnyx would refuse."""
        return telnyx_wanted.complaints(desired, self._name)

    async def found(self) -> Sequence[Found]:
        """List four kinds of things, page by page."""
        with understanding("Telnyx"):
            return await self._found()

    async def _found(self) -> list[Found]:
        profiles = [self._profile(one) for one in await self._list(PROFILE)]
        records = await self._list(CONNECTION)
        marks = {
            str(one["id"]): str(one["connection_name"])
            for one in records
            if self._is_ours(str(one["connection_name"]))
        }
        connections = [self._connection(one) for one in records]
        self._firsts = {str(one["id"]): _first_of(one) for one in records if _first_of(one)}
        firsts = [self._first(one) for one in records if _first_of(one) and str(one["id"]) in marks]
        fqdns = [self._fqdn(one, marks) for one in await self._list(FQDN)]
        numbers = await self._list(NUMBER)
        self._numbers = {str(one["phone_number"]): one for one in numbers}
        held = [self._number(one, marks) for one in numbers if one.get("connection_id")]
        return [*profiles, *connections, *fqdns, *firsts, *held]

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make one thing; a number is not bought but put onto its connection."""
        kind = wanted.key.kind
        if kind == NUMBER:
            return await self._put_on(wanted, ids)
        if kind == FIRST:
            return await self._try_first(wanted, ids)
        told = await self._api.post(_PATHS[kind], _body(wanted, ids))
        with understanding("Telnyx"):
            return as_made(wanted, ids, str(told["data"]["id"]))

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Change one thing in place."""
        kind = wanted.key.kind
        if kind in (NUMBER, FIRST):
            return await self.create(wanted, ids)
        body = _body(wanted, ids)
        if kind == CONNECTION and found.id in self._firsts:
            # Whether a part that is left out of ``inbound`` stays is not documented.
            body["inbound"]["default_primary_fqdn_id"] = self._firsts[found.id]
        if kind == CONNECTION and "outbound_profile" not in wanted.refs:
            body["outbound"] = {"outbound_voice_profile_id": None}
        await self._api.patch(f"{_PATHS[kind]}/{found.id}", body)
        return as_made(wanted, ids, found.id)

    async def delete(self, found: Found) -> None:
        """Remove one thing."""
        if found.kind == NUMBER:
            raise TrunkError(
                "refused",
                f"Telnyx documents no way to take {found.label} off its connection.",
                "Do it at portal.telnyx.com, Numbers, then run the command again.",
            )
        if found.kind == FIRST:
            await self._route(found.refs["connection"], None)
            return
        await self._api.delete(f"{_PATHS[found.kind]}/{found.id}")

    async def aclose(self) -> None:
        """Close every connection."""
        await self._api.aclose()

    # What is there.

    async def _list(self, kind: str) -> list[Json]:
        items: list[Json] = []
        for page in range(1, MOST_PAGES):
            query = {"page[number]": page, "page[size]": _PAGE}
            told = await self._api.get(_PATHS[kind], **query)
            items += told["data"]
            if page >= int(part(told, "meta").get("total_pages") or 1):
                break
        return items

    def _is_ours(self, name: str) -> bool:
        return name.startswith(f"{self._deployment}/")

    def _key(self, kind: str, name: str) -> Key | None:
        return Key(self.place, kind, name) if self._is_ours(name) else None

    def _profile(self, told: Json) -> Found:
        name = str(told["name"])
        fields: dict[str, Value] = {
            "enabled": bool(told.get("enabled", True)),
            "concurrency": told.get("concurrent_call_limit"),
        }
        return Found(self._key(PROFILE, name), str(told["id"]), fields, label=name, kind=PROFILE)

    def _connection(self, told: Json) -> Found:
        name = str(told["connection_name"])
        inbound = part(told, "inbound")
        fields: dict[str, Value] = {
            "active": bool(told.get("active")),
            "transport": str(told.get("transport_protocol") or "").lower(),
            "srtp": told.get("encrypted_media") == "SRTP",
            "username": str(told.get("user_name") or ""),
            "numbers_with_plus": all(inbound.get(key) == want for key, want in _FORMATS.items()),
        }
        password = str(told.get("password") or "")
        if password.strip("*"):
            fields["password"] = password
        profile = part(told, "outbound").get("outbound_voice_profile_id")
        return Found(
            self._key(CONNECTION, name),
            str(told["id"]),
            fields,
            refs={"outbound_profile": str(profile)} if profile else {},
            label=name,
            kind=CONNECTION,
        )

    def _first(self, told: Json) -> Found:
        connection = str(told["id"])
        return Found(
            self._key(FIRST, str(told["connection_name"])),
            # A connection's id is taken by the connection.
            f"{connection}/first",
            {},
            refs={"connection": connection, "fqdn": _first_of(told)},
            kind=FIRST,
        )

    def _fqdn(self, told: Json, marks: Mapping[str, str]) -> Found:
        connection = str(told.get("connection_id") or "")
        host, port = str(told["fqdn"]), int(told.get("port") or 5060)
        mark = marks.get(connection)
        return Found(
            Key(self.place, FQDN, f"{mark}/{host}:{port}") if mark else None,
            str(told["id"]),
            {"host": host, "port": port},
            refs={"connection": connection},
            label=f"{host}:{port}",
            kind=FQDN,
        )

    def _number(self, told: Json, marks: Mapping[str, str]) -> Found:
        number, connection = str(told["phone_number"]), str(told["connection_id"])
        ours = connection in marks
        return Found(
            Key(self.place, NUMBER, f"{self._deployment}/{number}") if ours else None,
            str(told["id"]),
            {},
            refs={"connection": connection},
            label=number,
            kind=NUMBER,
            claims=frozenset({f"number:{number}"}),
        )

    # Changes.

    async def _put_on(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        number = wanted.key.name.partition("/")[2]
        told = self._numbers.get(number)
        if told is None:
            raise TrunkError.number_not_owned(number, carrier="Telnyx", shop="portal.telnyx.com")
        connection = ids[wanted.refs["connection"]]
        await self._api.patch(f"/phone_numbers/{told['id']}", {"connection_id": connection})
        return as_made(wanted, ids, str(told["id"]))

    async def _try_first(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        connection = ids[wanted.refs["connection"]]
        await self._route(connection, ids[wanted.refs["fqdn"]])
        return as_made(wanted, ids, f"{connection}/first")

    async def _route(self, connection: str, fqdn: str | None) -> None:
        body = {"inbound": {**_FORMATS, "default_primary_fqdn_id": fqdn}}
        await self._api.patch(f"/fqdn_connections/{connection}", body)


def _body(wanted: Wanted, ids: Mapping[Key, str]) -> Json:
    fields, name = wanted.fields, wanted.key.name
    match wanted.key.kind:
        case telnyx_wanted.PROFILE:
            return {
                "name": name,
                "enabled": fields["enabled"],
                "concurrent_call_limit": fields["concurrency"],
                "traffic_type": "conversational",
                "service_plan": "global",
            }
        case telnyx_wanted.FQDN:
            return {
                "connection_id": ids[wanted.refs["connection"]],
                "fqdn": fields["host"],
                "port": fields["port"],
                "dns_record_type": "a",
            }
        case _:
            return _connection_body(wanted, ids)


def _connection_body(wanted: Wanted, ids: Mapping[Key, str]) -> Json:
    fields = wanted.fields
    body: Json = {
        "connection_name": wanted.key.name,
        "active": True,
        "transport_protocol": str(fields["transport"]).upper(),
        "inbound": dict(_FORMATS),
    }
    if "srtp" in fields:
        body["encrypted_media"] = "SRTP" if fields["srtp"] else None
    if "username" in fields:
        body["user_name"] = fields["username"]
    if "password" in fields:
        body["password"] = fields["password"]
    if "outbound_profile" in wanted.refs:
        profile = ids[wanted.refs["outbound_profile"]]
        body["outbound"] = {"outbound_voice_profile_id": profile}
    return body


def _first_of(told: Json) -> str:
    return str(part(told, "inbound").get("default_primary_fqdn_id") or "")
