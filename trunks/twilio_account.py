"""One Twilio account through Twilio's own SDK; the only file that knows the SDK.

What trunks are made of is reached in the same four ways (list, create, update, delete), so that a
kind is a line in a table here.

Source: https://www.twilio.com/docs/sip-trunking/api
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from trunks.resources import Value
from trunks.twilio_http import TwilioHttp

#: The most that Twilio gives in a page.
PAGE_SIZE = 1000
#: What the SDK is given for an environment: it would read the process's own otherwise.
_NO_ENVIRONMENT = {"TWILIO": ""}

#: Kind -> what an item of it tells.
TOLD = {
    "trunk": (
        "friendly_name",
        "domain_name",
        "secure",
        "transfer_mode",
        "transfer_caller_id",
        "cnam_lookup_enabled",
        "disaster_recovery_url",
        "disaster_recovery_method",
        "symmetric_rtp_enabled",
        "recording",
    ),
    "origination_url": ("friendly_name", "sip_url", "weight", "priority", "enabled"),
    "credential_list": ("friendly_name",),
    "credential": ("username",),
    "ip_access_control_list": ("friendly_name",),
    "ip_address": ("friendly_name", "ip_address", "cidr_prefix_length"),
    "trunk_credential_list": ("friendly_name",),
    "trunk_ip_access_control_list": ("friendly_name",),
    "number": ("phone_number",),
    "owned_number": ("phone_number", "trunk_sid"),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks: the account, and either its auth token or one of its API keys with its secret."""

    account_sid: str
    user: str = field(repr=False)
    secret: str = field(repr=False)
    edge: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of the account, as Twilio tells it; ``parent`` is the trunk or list it is in."""

    id: str
    parent: str
    fields: Mapping[str, Value]

    @property
    def name(self) -> str:
        """Give its friendly name."""
        return str(self.fields.get("friendly_name") or "")


@dataclass(frozen=True, slots=True)
class AvailableNumber:
    """A number that could be bought."""

    phone_number: str
    locality: str
    region: str
    needs_address: bool


@dataclass(frozen=True, slots=True)
class CountryPermission:
    """Whether the account may call a country (Twilio's voice geographic permissions)."""

    country: str
    name: str
    allowed: bool


class _OverHttpx(AsyncHttpClient):
    """The SDK's transport."""

    def __init__(self, http: TwilioHttp) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._http = http

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        answer = await self._http.send(
            method, uri, params=params, form=data, headers=headers, auth=auth
        )
        return Response(answer.status_code, answer.text, answer.headers)


class TwilioAccount:
    """The verbs of one account.

    Errors: TrunkError, see ``trunks.twilio_errors``.
    """

    def __init__(self, credentials: Credentials, http: TwilioHttp) -> None:
        self._http = http
        self._client = Client(
            credentials.user,
            credentials.secret,
            credentials.account_sid,
            credentials.region,
            _OverHttpx(http),
            _NO_ENVIRONMENT,
            credentials.edge,
        )

    async def list(self, kind: str, parent: str = "") -> list[Item]:
        """List a kind, all pages of it, below its parent where it has one."""
        records = await self._collection(kind, parent).list_async(page_size=PAGE_SIZE)
        return [_item(kind, parent, record) for record in records]

    async def create(self, kind: str, form: Mapping[str, Value], parent: str = "") -> Item:
        """Make one."""
        return _item(kind, parent, await self._collection(kind, parent).create_async(**form))

    async def update(self, kind: str, id: str, form: Mapping[str, Value], parent: str = "") -> Item:
        """Change one."""
        context = self._collection(kind, parent)(id)
        return _item(kind, parent, await context.update_async(**form))

    async def delete(self, kind: str, id: str, parent: str = "") -> None:
        """Remove one."""
        await self._collection(kind, parent)(id).delete_async()

    async def set_recording(self, trunk_sid: str, mode: str) -> None:
        """Say whether a trunk records; it cannot be said when the trunk is made."""
        await self._client.trunking.v1.trunks(trunk_sid).recordings().update_async(mode=mode)

    async def kind_of_account(self) -> tuple[str, str]:
        """Tell the account's type (``Trial`` or ``Full``) and its status."""
        account = await self._account().fetch_async()
        return str(account.type), str(account.status)

    async def dialling_permissions(self) -> list[CountryPermission]:
        """List the countries with whether their ordinary numbers may be called."""
        countries = self._client.voice.v1.dialing_permissions.countries
        return [
            CountryPermission(
                str(country.iso_code), str(country.name), bool(country.low_risk_numbers_enabled)
            )
            for country in await countries.list_async(page_size=PAGE_SIZE)
        ]

    async def available_numbers(
        self, country: str, *, kind: str, area_code: int | None, contains: str | None, limit: int
    ) -> list[AvailableNumber]:
        """Search numbers that can be bought and called; ``kind`` is local, toll_free or mobile."""
        country_numbers: Any = self._account().available_phone_numbers(country)
        asked = {"area_code": area_code, "contains": contains, "voice_enabled": True}
        records = await getattr(country_numbers, kind).list_async(
            limit=limit,
            page_size=limit,
            **{name: value for name, value in asked.items() if value is not None},
        )
        return [
            AvailableNumber(
                phone_number=str(record.phone_number),
                locality=str(record.locality or ""),
                region=str(record.region or ""),
                needs_address=record.address_requirements not in (None, "none"),
            )
            for record in records
        ]

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    def _account(self) -> Any:
        return self._client.api.v2010.account

    def _collection(self, kind: str, parent: str) -> Any:
        trunks: Any = self._client.trunking.v1.trunks
        account = self._account()
        credential_lists = account.sip.credential_lists
        access_control_lists = account.sip.ip_access_control_lists
        match kind:
            case "trunk":
                return trunks
            case "origination_url":
                return trunks(parent).origination_urls
            case "trunk_credential_list":
                return trunks(parent).credentials_lists
            case "trunk_ip_access_control_list":
                return trunks(parent).ip_access_control_lists
            case "number":
                return trunks(parent).phone_numbers
            case "owned_number":
                return account.incoming_phone_numbers
            case "credential_list":
                return credential_lists
            case "credential":
                return credential_lists(parent).credentials
            case "ip_access_control_list":
                return access_control_lists
            case "ip_address":
                return access_control_lists(parent).ip_addresses
            case _:
                raise ValueError(kind)


def _item(kind: str, parent: str, record: Any) -> Item:
    fields: dict[str, Value] = {name: getattr(record, name) for name in TOLD[kind]}
    if kind == "trunk":
        recording: Mapping[str, object] = record.recording or {}
        fields["recording"] = str(recording.get("mode", "do-not-record"))
    return Item(str(record.sid), parent, fields)
