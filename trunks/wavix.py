"""Wavix: a trunk to dial through, and where calls to numbers go.

A number of Wavix sends its calls to a SIP URI by itself, without a trunk. Nothing on it tells who
set that: a number is ours when the file sends its calls to SIP URIs and they go to such. One whose
route leaves the file keeps its way.

Source: https://docs.wavix.com/sip-trunking/sip-trunks and
https://docs.wavix.com/api-reference/my-numbers/update-a-phone-number; the schemas are those of
Wavix's own client, github.com/Wavix/wavix-node-sdk (``SipTrunkCreateRequest``, ``SipTrunkSummary``,
``NumberDestination``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from trunks.errors import TrunkError
from trunks.resources import Complaint, Found, Key, Value, Wanted
from trunks.rest_api import MOST_PAGES, Json, RestApi, as_made, part, understanding
from trunks.sip_destinations import Destination, destinations

if TYPE_CHECKING:
    from trunks.accounts import Wavix
    from trunks.desired import Desired, Trunk

API = "https://api.wavix.com"

TRUNK = "trunk"
NUMBER = "number"

_PAGE = 100
#: ``transport`` of a destination: a SIP URI, among telephone numbers (4) and trunks (5).
_TO_A_URI = 1


class WavixTrunking:
    """The adapter for one carrier.

    Shape: ``numbers`` are those of the file, in E.164.
    """

    def __init__(
        self, *, carrier_name: str, carrier: Wavix, deployment: str, base_url: str = API
    ) -> None:
        self._name = carrier_name
        self._deployment = deployment
        #: The numbers whose way the file says, once it was seen.
        self._ours: frozenset[str] = frozenset()
        self._api = RestApi(
            carrier="Wavix",
            base_url=base_url,
            credentials=f"carriers.{carrier_name}.api_key",
            headers={"Authorization": f"Bearer {carrier.api_key.get_secret_value()}"},
        )
        #: As last listed: number -> its id.
        self._numbers: dict[str, str] = {}

    @property
    def place(self) -> str:
        """Name the place."""
        return f"wavix:{self._name}"

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Say what the file wants in the carrier."""
        return [
            wanted
            for name, trunk in desired.trunks_at(self._name).items()
            for wanted in self._of_trunk(desired, name, trunk)
        ]

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Find what Wavix has no way to do."""
        wanted = (one.key for one in self.wanted(desired))
        self._ours = frozenset(_number_of(key) for key in wanted if key.kind == NUMBER)
        return [
            complaint
            for name, trunk in desired.trunks_at(self._name).items()
            for complaint in _complaints(desired, name, trunk)
        ]

    async def found(self) -> Sequence[Found]:
        """List trunks and numbers, page by page."""
        with understanding("Wavix"):
            return await self._found()

    async def _found(self) -> list[Found]:
        trunks = [self._trunk(one) for one in await self._list("/v1/trunks", "sip_trunks")]
        numbers = await self._list("/v1/numbers", "items")
        self._numbers = {f"+{one['number']}": str(one["id"]) for one in numbers}
        return [*trunks, *(self._number(one) for one in numbers if one.get("destination"))]

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make a trunk, or send a number's calls on their way; numbers are not bought."""
        if wanted.key.kind == NUMBER:
            return await self._send_calls(wanted, ids)
        told = await self._api.post("/v1/trunks", _body(wanted))
        with understanding("Wavix"):
            return as_made(wanted, ids, str(told["id"]))

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Change one thing in place."""
        if wanted.key.kind == NUMBER:
            return await self._send_calls(wanted, ids)
        # What is left out falls back to its default, so all of it is sent.
        await self._api.put(f"/v1/trunks/{found.id}", _body(wanted))
        return as_made(wanted, ids, found.id)

    async def delete(self, found: Found) -> None:
        """Remove a trunk; a number keeps its way."""
        if found.kind == NUMBER:
            raise TrunkError(
                "refused",
                f"Wavix documents no way to leave {found.label} without a destination.",
                "Change it at app.wavix.com, My numbers.",
            )
        await self._api.delete(f"/v1/trunks/{found.id}")

    async def aclose(self) -> None:
        """Close every connection."""
        await self._api.aclose()

    def _of_trunk(self, desired: Desired, name: str, trunk: Trunk) -> Iterator[Wanted]:
        numbers = desired.numbers_by_trunk[name]
        outbound = trunk.outbound
        if outbound is not None and outbound.password is not None and numbers:
            fields: dict[str, Value] = {
                "srtp": trunk.encryption != "disable",
                "recording": False,
                "several_numbers": len(numbers) > 1,
                "caller_id": numbers[0],
                "password": outbound.password.get_secret_value(),
            }
            yield Wanted(
                Key(self.place, TRUNK, desired.mark(name)),
                fields,
                # Of a trunk with several numbers Wavix does not tell the first.
                secrets=frozenset({"password", "caller_id"}),
                explain="the trunk that we dial through",
            )
        to = destinations(trunk)
        for number in numbers:
            if to and desired.route_of(number) is not None:
                yield Wanted(
                    Key(self.place, NUMBER, desired.mark(number)),
                    {"destinations": tuple(_uri(one) for one in to)},
                    explain=f"calls to {number} go to {to[0].address}",
                    claims=frozenset({f"number:{number}"}),
                )

    async def _list(self, path: str, items: str) -> list[Json]:
        listed: list[Json] = []
        for page in range(1, MOST_PAGES):
            told = await self._api.get(path, page=page, per_page=_PAGE)
            # ``sip_trunks`` may be null.
            listed += told[items] or []
            if page >= int(part(told, "pagination").get("total_pages") or 1):
                break
        return listed

    def _trunk(self, told: Json) -> Found:
        label = str(told.get("label") or "")
        fields: dict[str, Value] = {
            "srtp": bool(told.get("encrypted_media")),
            "recording": bool(told.get("call_recording_enabled")),
            "several_numbers": bool(told.get("multiple_numbers")),
        }
        if told.get("callerid"):
            fields["caller_id"] = f"+{str(told['callerid']).removeprefix('+')}"
        ours = label.startswith(f"{self._deployment}/")
        return Found(
            Key(self.place, TRUNK, label) if ours else None,
            str(told["id"]),
            fields,
            # Wavix chooses the login: it is told with the name.
            label=f"{label} (login {told.get('name')}, {told.get('status')})",
            kind=TRUNK,
        )

    def _number(self, told: Json) -> Found:
        number = f"+{told['number']}"
        ways = sorted(cast("list[Json]", told["destination"]), key=lambda way: way["priority"])
        ours = number in self._ours and all(way["transport"] == _TO_A_URI for way in ways)
        name = f"{self._deployment}/{number}"
        return Found(
            Key(self.place, NUMBER, name) if ours else None,
            str(told["id"]),
            {"destinations": tuple(str(way["destination"]) for way in ways)},
            label=f"{number} (goes to {ways[0]['destination']})",
            kind=NUMBER,
            claims=frozenset({f"number:{number}"}),
        )

    async def _send_calls(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        number = _number_of(wanted.key)
        id = self._numbers.get(number)
        if id is None:
            raise TrunkError.number_not_owned(number, carrier="Wavix", shop="app.wavix.com")
        uris = cast("tuple[str, ...]", wanted.fields["destinations"])
        ways = [
            {"destination": uri, "priority": place, "transport": _TO_A_URI, "trunk_id": None}
            for place, uri in enumerate(uris, start=1)
        ]
        await self._api.patch(f"/v1/numbers/{id}", {"destinations": ways})
        return as_made(wanted, ids, id)


def _number_of(key: Key) -> str:
    return key.name.partition("/")[2]


def _uri(to: Destination) -> str:
    # Wavix puts the number that was called in the place of [did]; without the plus it has none.
    return f"+[did]@{to.address};transport={to.transport}"


def _body(wanted: Wanted) -> Json:
    fields = wanted.fields
    return {
        "label": wanted.key.name,
        "password": fields["password"],
        "callerid": str(fields["caller_id"]).removeprefix("+"),
        "multiple_numbers": fields["several_numbers"],
        "encrypted_media": fields["srtp"],
        "call_recording_enabled": False,
        # The bridge takes the number that was called out of the To header.
        "didinfo_enabled": True,
        "ip_restrict": False,
        "call_restrict": False,
        "cost_limit": False,
        "channels_restrict": False,
        "rewrite_enabled": False,
        "transcription_enabled": False,
        "transcription_threshold": 0,
    }


def _complaints(desired: Desired, name: str, trunk: Trunk) -> Iterator[Complaint]:
    numbers = desired.numbers_by_trunk[name]
    if trunk.outbound is not None and trunk.outbound.password is None:
        yield Complaint(
            ("trunks", name, "outbound"),
            "not_supported",
            "A trunk at Wavix that is made by its API has a password: give username and password.",
        )
    if trunk.outbound is not None and len(numbers) > 1:
        yield Complaint(
            ("trunks", name),
            "not_supported",
            "Wavix has to permit several caller IDs on one trunk: ask their support.",
            warning=True,
        )
