"""Twilio Elastic SIP Trunking as a place where things are made.

A trunk of the file is a trunk at Twilio, a credential list and an access control list that let us
dial through it, addresses that Twilio delivers calls to, and numbers. Each carries the mark in its
friendly name. Numbers are only associated; buying one is a command of its own.

Requests for a listing: one each (for each thousand of entries) for trunks, credential lists, access
control lists and numbers; Twilio has the rest only below a trunk or a list, so that each trunk of
ours costs three more, each credential list and each access control list of ours one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

from trunks.accounts import Twilio
from trunks.desired import Desired
from trunks.errors import TrunkError
from trunks.resources import Complaint, Found, Key, Value, Wanted
from trunks.shop import Kind
from trunks.twilio_account import AvailableNumber, Credentials, Item, TwilioAccount
from trunks.twilio_found import Listing
from trunks.twilio_http import TwilioHttp
from trunks.twilio_remarks import (
    about_account,
    about_countries,
    about_strangers,
    about_symmetric_rtp,
)
from trunks.twilio_wanted import Fingerprints, Wishes, complaints, named

_LISTED_ONCE = ("credential_list", "ip_access_control_list", "owned_number")
#: Kind -> the reference that leads to the trunk or list that it is in.
_PARENT = {
    "origination_url": "trunk",
    "trunk_credential_list": "trunk",
    "trunk_ip_access_control_list": "trunk",
    "number": "trunk",
    "credential": "credential_list",
    "ip_address": "ip_access_control_list",
}
_BELOW_TRUNK = ("origination_url", "trunk_credential_list", "trunk_ip_access_control_list")
_DEFAULT_RECORDING = "do-not-record"


class TwilioTrunking:
    """One Twilio account.

    Errors: TrunkError from all that touches the network.
    """

    def __init__(
        self,
        *,
        carrier_name: str,
        carrier: Twilio,
        deployment: str,
        http: TwilioHttp | None = None,
    ) -> None:
        credentials = credentials_of(carrier)
        self._place = f"twilio:{carrier_name}"
        http = http or TwilioHttp()
        http.credentials_at = f"carriers.{carrier_name}"
        self._account = TwilioAccount(credentials, http)
        self._carrier = carrier_name
        self._ours = f"{deployment}/"
        fingerprints = Fingerprints(credentials.account_sid, credentials.secret)
        self._wishes = Wishes(self._place, carrier_name, fingerprints)
        #: Number -> its SID and that of its trunk, as last listed.
        self._numbers: dict[str, tuple[str, str]] = {}
        self._listed: Listing | None = None

    @property
    def place(self) -> str:
        """Name the place."""
        return self._place

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Say what the file wants here."""
        return self._wishes.all(desired)

    def check(self, desired: Desired) -> Sequence[Complaint]:
        """Judge the file by Twilio's rules, without the network."""
        return complaints(desired, self._carrier)

    async def found(self) -> Sequence[Found]:
        """List what is here."""
        self._listed = await self._listing()
        return self._listed.found()

    async def _listing(self) -> Listing:
        # The first alone: wrong credentials are refused once, not four times.
        trunks = await self._account.list("trunk")
        lists = await _together(self._account.list(kind) for kind in _LISTED_ONCE)
        credential_lists, access_lists, numbers = lists
        listing = Listing(self._place, self._ours, trunks, credential_lists, access_lists, numbers)
        self._remember(listing.numbers)
        marks = listing.marks()
        places = [
            *((kind, item.id) for item in listing.trunks for kind in _BELOW_TRUNK),
            *(("credential", item.id) for item in listing.credential_lists),
            *(("ip_address", item.id) for item in listing.access_lists),
        ]
        places = [(kind, parent) for kind, parent in places if marks[parent]]
        below = await _together(self._account.list(kind, parent) for kind, parent in places)
        for (kind, _), items in zip(places, below, strict=True):
            listing.below.setdefault(kind, []).extend(items)
        return listing

    def _remember(self, numbers: Sequence[Item]) -> None:
        self._numbers = {
            str(number.fields["phone_number"]): (number.id, str(number.fields["trunk_sid"] or ""))
            for number in numbers
        }

    # -- changing

    async def create(self, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make it."""
        kind = wanted.key.kind
        refs = {name: ids[key] for name, key in wanted.refs.items()}
        parent = refs.get(_PARENT.get(kind, ""), "")
        form = await self._number_form(wanted) if kind == "number" else _form(wanted, refs)
        # An empty text clears a field, and there is nothing to clear yet.
        form = {name: value for name, value in form.items() if value != ""}
        item = await self._account.create(kind, form, parent)
        try:
            await self._finish(wanted, item.id, refs, recording=_DEFAULT_RECORDING)
        except TrunkError as error:
            raise _half_done(error) from None
        return _made(wanted, item.id, refs)

    async def update(self, found: Found, wanted: Wanted, ids: Mapping[Key, str]) -> Found:
        """Make what is there as wanted, its mark too."""
        kind = wanted.key.kind
        refs = {name: ids[key] for name, key in wanted.refs.items()}
        if dict(found.refs) != refs:
            return await self._move(found, wanted, ids, refs)
        if kind not in ("number", "trunk_credential_list", "trunk_ip_access_control_list"):
            form = _form(wanted, refs)
            if kind == "credential":
                del form["username"]
            await self._account.update(kind, found.id, form, refs.get(_PARENT.get(kind, ""), ""))
        await self._finish(wanted, found.id, refs, recording=found.fields.get("recording"))
        return _made(wanted, found.id, refs)

    async def delete(self, found: Found) -> None:
        """Remove it; a number only leaves its trunk."""
        parent = found.refs.get(_PARENT.get(found.kind, ""), "")
        try:
            await self._account.delete(found.kind, found.id, parent)
        except TrunkError as error:
            if error.code != "not_found":
                raise

    async def _finish(
        self, wanted: Wanted, id: str, refs: Mapping[str, str], *, recording: Value
    ) -> None:
        """Do what Twilio takes only afterwards; the next run does it where this one is killed."""
        if wanted.key.kind == "trunk" and wanted.fields["recording"] != recording:
            await self._account.set_recording(id, str(wanted.fields["recording"]))
        if wanted.key.kind == "credential":
            # Only once the password is set does the list bear its fingerprint.
            name = named(
                wanted.refs["credential_list"].name, str(wanted.fields["password_fingerprint"])
            )
            await self._account.update(
                "credential_list", refs["credential_list"], {"friendly_name": name}
            )

    async def _move(
        self, found: Found, wanted: Wanted, ids: Mapping[Key, str], refs: Mapping[str, str]
    ) -> Found:
        """Bring it to another trunk or list."""
        if wanted.key.kind == "number":
            # In one request, so that no call finds the number without a trunk.
            await self._account.update("owned_number", found.id, {"trunk_sid": refs["trunk"]})
            return _made(wanted, found.id, refs)
        await self.delete(found)
        return await self.create(wanted, ids)

    async def _number_form(self, wanted: Wanted) -> dict[str, Value]:
        number = str(wanted.fields["phone_number"])
        if number not in self._numbers:
            self._remember(await self._account.list("owned_number"))
        sid, trunk = self._numbers.get(number, ("", ""))
        if not sid:
            raise TrunkError(
                "number_not_owned",
                f"{number} is not a number of this Twilio account.",
                f"Buy it with `dialer trunks numbers buy {number}`, or take it out of the file.",
            )
        if trunk:
            raise TrunkError(
                "number_taken",
                f"{number} belongs to another trunk at Twilio ({trunk}).",
                "Take it off there (Console > Elastic SIP Trunking > Trunks > Numbers), or out of "
                "the file.",
            )
        return {"phone_number_sid": sid}

    # -- numbers and permissions: what no file makes

    async def search_numbers(
        self,
        country: str,
        *,
        kind: Kind = "local",
        area_code: int | None = None,
        contains: str | None = None,
        limit: int = 20,
    ) -> Sequence[AvailableNumber]:
        """Search numbers that can be bought."""
        return await self._account.available_numbers(
            country, kind=kind, area_code=area_code, contains=contains, limit=limit
        )

    async def buy_number(self, number: str) -> str:
        """Buy a number and give its id; it costs money at once. One that is ours is not bought."""
        self._remember(await self._account.list("owned_number"))
        if number in self._numbers:
            return self._numbers[number][0]
        return (await self._account.create("owned_number", {"phone_number": number})).id

    async def remarks(self, desired: Desired) -> Sequence[Complaint]:
        """Say what stands in the way of calls that no apply can change.

        That is a trial or suspended account, countries that may not be called, symmetric RTP, which
        Twilio's API tells and does not set, and what somebody else hung on a trunk of ours.
        """
        listing = self._listed or await self._listing()
        kind, status = await self._account.kind_of_account()
        permissions = await self._account.dialling_permissions()
        return [
            *about_account(self._carrier, kind, status),
            *about_countries(desired, self._carrier, permissions),
            *about_symmetric_rtp(desired, self._carrier, listing.trunks),
            *about_strangers(desired, listing),
        ]

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._account.aclose()


def credentials_of(carrier: Twilio) -> Credentials:
    """Take an account's credentials out of the file: the API key where there is one."""
    user, secret = carrier.account_sid, carrier.auth_token
    if carrier.api_key is not None:
        user, secret = carrier.api_key.get_secret_value(), carrier.api_secret
    return Credentials(
        account_sid=carrier.account_sid,
        user=user,
        secret=secret.get_secret_value() if secret else "",
        # An edge alone is where our calls go; the API goes through it only to reach a region.
        edge=carrier.edge if carrier.region else None,
        region=carrier.region,
    )


def _form(wanted: Wanted, refs: Mapping[str, str]) -> dict[str, Value]:
    """Give what is written, by the SDK's names."""
    fields = dict(wanted.fields)
    match wanted.key.kind:
        case "trunk":
            del fields["recording"]
            if not fields["disaster_recovery_url"]:
                del fields["disaster_recovery_method"]
            return {"friendly_name": wanted.key.name, **fields}
        case "credential_list" | "ip_access_control_list":
            return {"friendly_name": wanted.key.name}
        case "credential":
            return {"username": fields["username"], "password": fields["password"]}
        case "ip_address":
            return {"friendly_name": wanted.refs["ip_access_control_list"].name, **fields}
        case "origination_url":
            return {"friendly_name": wanted.refs["trunk"].name, **fields}
        case "trunk_credential_list":
            return {"credential_list_sid": refs["credential_list"]}
        case "trunk_ip_access_control_list":
            return {"ip_access_control_list_sid": refs["ip_access_control_list"]}
        case kind:
            raise ValueError(kind)


def _half_done(error: TrunkError) -> TrunkError:
    """Have whoever tries again look first: it is made already, though not completed."""
    if not error.nothing_done:
        return error
    return TrunkError(
        "carrier_error", error.message, error.fix, retryable=True, retry_after=error.retry_after
    )


def _made(wanted: Wanted, id: str, refs: Mapping[str, str]) -> Found:
    told = {name: v for name, v in wanted.fields.items() if name not in wanted.secrets}
    key = wanted.key
    return Found(key, id, told, refs, label=key.name, kind=key.kind, claims=wanted.claims)


async def _together(jobs: Iterable[Coroutine[Any, Any, list[Item]]]) -> list[list[Item]]:
    """Await all; the first that fails ends the others."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
