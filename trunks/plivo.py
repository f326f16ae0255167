"""Plivo Zentrunk: credentials, destinations, a trunk for each direction, and numbers.

Source: https://plivo.com/docs/sip-trunking/api/trunks.md, credentials.md and origination-uris.md
beside it; numbers: https://www.plivo.com/docs/numbers/api/account-phone-number#update-a-number
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import httpx

from trunks import plivo_wanted
from trunks.errors import TrunkError
from trunks.plivo_wanted import CREDENTIAL, INBOUND, NUMBER, OUTBOUND, PLACES, URI
from trunks.resources import Complaint, Found, Key, Value, Wanted
from trunks.rest_api import MOST_PAGES, Json, RestApi, as_made, part, understanding

if TYPE_CHECKING:
    from trunks.accounts import Plivo
    from trunks.desired import Desired

API = "https://api.plivo.com/v1/Account"

#: The most that Plivo gives in a page.
_PAGE = 20
_PATHS = {
    CREDENTIAL: "/Zentrunk/Credential/",
    URI: "/Zentrunk/URI/",
    OUTBOUND: "/Zentrunk/Trunk/",
    INBOUND: "/Zentrunk/Trunk/",
}
_IDS = {
    CREDENTIAL: "credential_uuid",
    URI: "uri_uuid",
    OUTBOUND: "trunk_id",
    INBOUND: "trunk_id",
}
_OF_A_TRUNK = "/Zentrunk/Trunk/"


class PlivoZentrunk:
    """The adapter for one carrier."""

    def __init__(
        self, *, carrier_name: str, carrier: Plivo, deployment: str, base_url: str = API
    ) -> None:
        self._name = carrier_name
        self._deployment = deployment
        self._api = RestApi(
            carrier="Plivo",
            base_url=f"{base_url}/{carrier.auth_id}",
            credentials=f"carriers.{carrier_name}.auth_id and auth_token",
            auth=httpx.BasicAuth(carrier.auth_id, carrier.auth_token.get_secret_value()),
        )
        #: As last listed: the numbers of the carrier.
        self._numbers: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """Name the place."""
        return f"plivo:{self._name}"

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Say what the file wants in the carrier."""
        return plivo_wanted.wanted(desired, self._name, self.place)

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Find what Plivo has no way to do."""
        return plivo_wanted.complaints(desired, self._name)

    async def found(self) -> Sequence[Found]:
        """List four kinds of things, page by page."""
        with understanding("Plivo"):
            return await self._found()

    async def _found(self) -> list[Found]:
        credentials = [self._credential(one) for one in await self._list("/Zentrunk/Credential/")]
        uris = [self._uri(one) for one in await self._list("/Zentrunk/URI/")]
        trunks = [self._trunk(one) for one in await self._list("/Zentrunk/Trunk/")]
        ours = {trunk.id for trunk in trunks if trunk.key is not None}
        numbers = await self._list("/Number/")
        self._numbers = frozenset(f"+{one['number']}" for one in numbers)
        held = [self._number(one, ours) for one in numbers if one.get("application")]
        return [*credentials, *uris, *trunks, *held]

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make one thing; a number is not rented but put onto its trunk."""
        kind = wanted.key.kind
        if kind == NUMBER:
            return await self._put_on(wanted, ids)
        told = await self._api.post(_PATHS[kind], _body(wanted, ids))
        with understanding("Plivo"):
            return as_made(wanted, ids, str(told[_IDS[kind]]))

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Change one thing in place."""
        kind = wanted.key.kind
        if kind == NUMBER:
            return await self._put_on(wanted, ids)
        # A null is not documented there, but what is left out stays, and cannot be deleted then.
        off = {f"{part}_uuid": None for part in found.refs if part not in wanted.refs}
        await self._api.post(f"{_PATHS[kind]}{found.id}/", {**_body(wanted, ids), **off})
        return as_made(wanted, ids, found.id)

    async def delete(self, found: Found) -> None:
        """Remove one thing."""
        if found.kind == NUMBER:
            raise TrunkError(
                "refused",
                f"Plivo documents no way to take {found.label} off its trunk.",
                "Route it elsewhere at console.plivo.com, Phone Numbers, then run it again.",
            )
        await self._api.delete(f"{_PATHS[found.kind]}{found.id}/")

    async def aclose(self) -> None:
        """Close every connection."""
        await self._api.aclose()

    async def _list(self, path: str) -> list[Json]:
        items: list[Json] = []
        for page in range(MOST_PAGES):
            told = await self._api.get(path, limit=_PAGE, offset=page * _PAGE)
            items += told["objects"]
            if not part(told, "meta").get("next"):
                break
        return items

    def _key(self, kind: str, name: str) -> Key | None:
        ours = name.startswith(f"{self._deployment}/")
        return Key(self.place, kind, name) if ours else None

    def _credential(self, told: Json) -> Found:
        name = str(told.get("name") or "")
        fields: dict[str, Value] = {"username": str(told.get("username") or "")}
        return Found(
            self._key(CREDENTIAL, name),
            str(told["credential_uuid"]),
            fields,
            label=name,
            kind=CREDENTIAL,
        )

    def _uri(self, told: Json) -> Found:
        name = str(told.get("name") or "")
        fields: dict[str, Value] = {
            "uri": str(told.get("uri") or ""),
            "authentication_needed": bool(told.get("authentication_needed")),
            "username": str(told.get("username") or ""),
        }
        return Found(self._key(URI, name), str(told["uri_uuid"]), fields, label=name, kind=URI)

    def _trunk(self, told: Json) -> Found:
        name = str(told.get("name") or "")
        kind = INBOUND if told.get("trunk_direction") == "inbound" else OUTBOUND
        fields: dict[str, Value] = {
            "enabled": told.get("trunk_status") == "enabled",
            "secure": bool(told.get("secure")),
        }
        parts = PLACES if kind == INBOUND else ("credential",)
        refs = {part: str(told[f"{part}_uuid"]) for part in parts if told.get(f"{part}_uuid")}
        return Found(
            self._key(kind, name),
            str(told["trunk_id"]),
            fields,
            refs=refs,
            # Plivo chooses the address to dial through: it is told with the name.
            label=f"{name} ({told.get('trunk_domain')})",
            kind=kind,
        )

    def _number(self, told: Json, ours: set[str]) -> Found:
        number, application = f"+{told['number']}", str(told["application"])
        _, is_trunk, trunk = application.partition(_OF_A_TRUNK)
        trunk = trunk.strip("/")
        marked = bool(is_trunk) and trunk in ours
        return Found(
            Key(self.place, NUMBER, f"{self._deployment}/{number}") if marked else None,
            number,
            {},
            refs={"trunk": trunk} if marked else {},
            label=f"{number} (routed to {application})",
            kind=NUMBER,
            claims=frozenset({f"number:{number}"}),
        )

    async def _put_on(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        number = wanted.key.name.partition("/")[2]
        if number not in self._numbers:
            raise TrunkError.number_not_owned(number, carrier="Plivo", shop="console.plivo.com")
        trunk = ids[wanted.refs["trunk"]]
        await self._api.post(f"/Number/{number.removeprefix('+')}/", {"app_id": trunk})
        return as_made(wanted, ids, number)


def _body(wanted: Wanted, ids: Mapping[Key, str]) -> Json:
    fields, name = wanted.fields, wanted.key.name
    if wanted.key.kind in (CREDENTIAL, URI):
        told = {part: value for part, value in fields.items() if value != ""}
        return {"name": name, **told}
    direction = "inbound" if wanted.key.kind == INBOUND else "outbound"
    return {
        "name": name,
        "trunk_direction": direction,
        "trunk_status": "enabled",
        "secure": fields["secure"],
        **{f"{part}_uuid": ids[key] for part, key in wanted.refs.items()},
    }
