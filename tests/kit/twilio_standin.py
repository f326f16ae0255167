"""A stand-in for Twilio's trunking, voice and account APIs that keeps state and can fail on request.

Tests reach it through respx (``stand_in.router()``): whatever the product sends to a host of
twilio.com is answered here. It checks credentials and required fields, pages its lists, answers with
Twilio's error documents, and keeps every exchange, which the contract test holds against Twilio's
published OpenAPI description.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
import respx

from tests.kit.twilio_state import Item, Refusal, TwilioState, not_found

ACCOUNT_SID = "AC" + "0a" * 16
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
API_KEY = "SK" + "0b" * 16
API_SECRET = "a secret of an API key"


class Killed(BaseException):
    """The process is killed at this moment: nothing of ours may catch it."""


@dataclass(frozen=True)
class Exchange:
    """One request and what it was answered."""

    method: str
    url: httpx.URL
    form: dict[str, str]
    status: int
    body: Any

    @property
    def writes(self) -> bool:
        """Tell whether it was meant to change something."""
        return self.method != "GET"


@dataclass
class Fault:
    """Something that happens at the n-th request from now on, before or after it is done."""

    at: int
    what: int | type[BaseException]
    after: bool = False
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def strike(self, request: httpx.Request) -> httpx.Response:
        """Answer with a status, or raise what a broken connection or a kill raises."""
        if not isinstance(self.what, int):
            if issubclass(self.what, httpx.RequestError):
                raise self.what("the stand-in says so", request=request)
            raise self.what()
        code = {429: 20429, 500: 20500, 503: 20503}.get(self.what, self.what)
        return _refused(Refusal(self.what, code, "The stand-in says so"), self.headers)


@dataclass
class TwilioStandIn:
    """One account at Twilio.

    Shape: ``state`` is what is there; ``exchanges`` all that was asked; ``faults`` what shall go
    wrong. ``largest_page`` makes lists come in many pages.
    """

    state: TwilioState = field(default_factory=lambda: TwilioState(ACCOUNT_SID))
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    faults: list[Fault] = field(default_factory=list[Fault])
    largest_page: int = 1000
    #: Countries that may be called.
    countries: dict[str, bool] = field(default_factory=lambda: {"US": True, "GB": False})
    status: str = "active"

    def router(self) -> respx.MockRouter:
        """Give the router to be used as a context; hosts outside Twilio stay unreachable."""
        router = respx.MockRouter(assert_all_called=False)
        router.route(host__regex=r"^(trunking|api|voice)(\.[a-z0-9-]+)*\.twilio\.com$").mock(
            side_effect=self
        )
        return router

    def fail(self, at: int, what: int | type[BaseException], **how: Any) -> None:
        """Have the n-th request from now on (the first is 1) go wrong."""
        self.faults.append(Fault(len(self.exchanges) + at, what, **how))

    def writes(self) -> list[Exchange]:
        """List what was asked to be changed."""
        return [exchange for exchange in self.exchanges if exchange.writes]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        number = len(self.exchanges) + 1
        fault = next((f for f in self.faults if f.at == number), None)
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        if fault is not None and not fault.after:
            self._note(request, form, httpx.Response(599, json=None))
            return fault.strike(request)
        response = self._answer(request, form)
        self._note(request, form, response)
        return response if fault is None else fault.strike(request)

    def _note(self, request: httpx.Request, form: dict[str, str], response: httpx.Response) -> None:
        body = response.json() if response.content else None
        status = response.status_code
        self.exchanges.append(Exchange(request.method, request.url, form, status, body))

    def _answer(self, request: httpx.Request, form: dict[str, str]) -> httpx.Response:
        if not _known(request.headers.get("authorization", "")):
            return _refused(Refusal(401, 20003, "Authenticate"))
        path = request.url.path
        try:
            for method, pattern, act in _ROUTES:
                matched = re.fullmatch(pattern, path)
                if matched and method == request.method:
                    return act(self, request, form, *matched.groups())
            raise not_found(path)
        except Refusal as refused:
            return _refused(refused)


_Act = Callable[..., httpx.Response]
_ROUTES: list[tuple[str, str, _Act]] = []
_TRUNKING = "/v1/Trunks"
_ACCOUNT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
_SID = "([A-Z]{2}[0-9a-f]{32})"


def _route(method: str, pattern: str) -> Callable[[_Act], _Act]:
    def remember(act: _Act) -> _Act:
        _ROUTES.append((method, pattern.replace("{}", _SID), act))
        return act

    return remember


# -- trunking.twilio.com


@_route("GET", _TRUNKING)
def _list_trunks(twilio: TwilioStandIn, request: httpx.Request, form: Any) -> httpx.Response:
    return _meta_page(twilio, request, "trunks", [_trunk(t) for t in twilio.state.of("TK")])


@_route("POST", _TRUNKING)
def _create_trunk(twilio: TwilioStandIn, request: httpx.Request, form: Any) -> httpx.Response:
    return _told(_trunk(twilio.state.create_trunk(form)), 201)


@_route("POST", _TRUNKING + "/{}")
def _update_trunk(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, sid: str
) -> httpx.Response:
    return _told(_trunk(twilio.state.update_trunk(sid, form)))


@_route("DELETE", _TRUNKING + "/{}")
def _delete_trunk(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, sid: str
) -> httpx.Response:
    twilio.state.delete_trunk(sid)
    return httpx.Response(204)


@_route("POST", _TRUNKING + "/{}/Recording")
def _set_recording(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str
) -> httpx.Response:
    return _told(twilio.state.set_recording(trunk, form), 202)


@_route("GET", _TRUNKING + "/{}/OriginationUrls")
def _list_urls(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str
) -> httpx.Response:
    twilio.state.get("TK", trunk)
    urls = [_url(url) for url in twilio.state.of("OU", trunk_sid=trunk)]
    return _meta_page(twilio, request, "origination_urls", urls)


@_route("POST", _TRUNKING + "/{}/OriginationUrls")
def _create_url(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str
) -> httpx.Response:
    return _told(_url(twilio.state.create_origination_url(trunk, form)), 201)


@_route("POST", _TRUNKING + "/{}/OriginationUrls/{}")
def _update_url(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str, sid: str
) -> httpx.Response:
    return _told(_url(twilio.state.update_origination_url(trunk, sid, form)))


@_route("DELETE", _TRUNKING + "/{}/OriginationUrls/{}")
def _delete_url(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str, sid: str
) -> httpx.Response:
    del twilio.state.items[twilio.state.get("OU", sid, trunk_sid=trunk)["sid"]]
    return httpx.Response(204)


@_route("GET", _TRUNKING + "/{}/(CredentialLists|IpAccessControlLists)")
def _list_associations(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str, what: str
) -> httpx.Response:
    prefix, key = _LISTS[what]
    associated = twilio.state.get("TK", trunk)["_lists"]
    items = [_association(what, trunk, i) for i in twilio.state.of(prefix) if i["sid"] in associated]
    return _meta_page(twilio, request, key, items)


@_route("POST", _TRUNKING + "/{}/(CredentialLists|IpAccessControlLists)")
def _associate(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str, what: str
) -> httpx.Response:
    prefix, _ = _LISTS[what]
    item = twilio.state.associate_list(trunk, prefix, form.get(f"{what[:-1]}Sid", ""))
    return _told(_association(what, trunk, item), 201)


@_route("DELETE", _TRUNKING + "/{}/(?:CredentialLists|IpAccessControlLists)/{}")
def _dissociate(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str, sid: str
) -> httpx.Response:
    twilio.state.dissociate_list(trunk, sid)
    return httpx.Response(204)


@_route("POST", _TRUNKING + "/{}/PhoneNumbers")
def _associate_number(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str
) -> httpx.Response:
    return _told(_trunk_number(twilio.state.associate_number(trunk, form)), 201)


@_route("DELETE", _TRUNKING + "/{}/PhoneNumbers/{}")
def _dissociate_number(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, trunk: str, sid: str
) -> httpx.Response:
    twilio.state.dissociate_number(trunk, sid)
    return httpx.Response(204)


# -- api.twilio.com


@_route("GET", _ACCOUNT.replace(".", r"\.") + r"\.json")
def _account(twilio: TwilioStandIn, request: httpx.Request, form: Any) -> httpx.Response:
    kind = "Trial" if twilio.state.trial else "Full"
    return _told({"sid": ACCOUNT_SID, "type": kind, "status": twilio.status})


@_route("GET", _ACCOUNT + r"/SIP/(CredentialLists|IpAccessControlLists)\.json")
def _list_lists(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, what: str
) -> httpx.Response:
    prefix, key = _LISTS[what]
    return _uri_page(twilio, request, key, [_shown(i) for i in twilio.state.of(prefix)])


@_route("POST", _ACCOUNT + r"/SIP/(CredentialLists|IpAccessControlLists)\.json")
def _create_list(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, what: str
) -> httpx.Response:
    return _told(_shown(twilio.state.create_list(_LISTS[what][0], form)), 201)


@_route("POST", _ACCOUNT + r"/SIP/(CredentialLists|IpAccessControlLists)/{}\.json")
def _update_list(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, what: str, sid: str
) -> httpx.Response:
    return _told(_shown(twilio.state.update_list(_LISTS[what][0], sid, form)))


@_route("DELETE", _ACCOUNT + r"/SIP/(CredentialLists|IpAccessControlLists)/{}\.json")
def _delete_list(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, what: str, sid: str
) -> httpx.Response:
    twilio.state.delete_list(_LISTS[what][0], sid)
    return httpx.Response(204)


@_route("GET", _ACCOUNT + r"/SIP/CredentialLists/{}/Credentials\.json")
def _list_credentials(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, sid: str
) -> httpx.Response:
    twilio.state.get("CL", sid)
    items = [_shown(i) for i in twilio.state.of("CR", credential_list_sid=sid)]
    return _uri_page(twilio, request, "credentials", items)


@_route("POST", _ACCOUNT + r"/SIP/CredentialLists/{}/Credentials\.json")
def _create_credential(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, parent: str
) -> httpx.Response:
    return _told(_shown(twilio.state.create_credential(parent, form)), 201)


@_route("POST", _ACCOUNT + r"/SIP/CredentialLists/{}/Credentials/{}\.json")
def _update_credential(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, parent: str, sid: str
) -> httpx.Response:
    return _told(_shown(twilio.state.update_credential(parent, sid, form)))


@_route("GET", _ACCOUNT + r"/SIP/IpAccessControlLists/{}/IpAddresses\.json")
def _list_addresses(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, sid: str
) -> httpx.Response:
    twilio.state.get("AL", sid)
    items = [_shown(i) for i in twilio.state.of("IP", ip_access_control_list_sid=sid)]
    return _uri_page(twilio, request, "ip_addresses", items)


@_route("POST", _ACCOUNT + r"/SIP/IpAccessControlLists/{}/IpAddresses\.json")
def _create_address(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, parent: str
) -> httpx.Response:
    return _told(_shown(twilio.state.create_address(parent, form)), 201)


@_route("POST", _ACCOUNT + r"/SIP/IpAccessControlLists/{}/IpAddresses/{}\.json")
def _update_address(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, parent: str, sid: str
) -> httpx.Response:
    return _told(_shown(twilio.state.update_address(parent, sid, form)))


@_route("DELETE", _ACCOUNT + r"/SIP/[A-Za-z]+/{}/(?:Credentials|IpAddresses)/{}\.json")
def _delete_entry(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, parent: str, sid: str
) -> httpx.Response:
    if sid not in twilio.state.items:
        raise not_found(sid)
    del twilio.state.items[sid]
    return httpx.Response(204)


@_route("GET", _ACCOUNT + r"/IncomingPhoneNumbers\.json")
def _list_numbers(twilio: TwilioStandIn, request: httpx.Request, form: Any) -> httpx.Response:
    asked = request.url.params.get("PhoneNumber")
    numbers = [n for n in twilio.state.of("PN") if asked in (None, n["phone_number"])]
    return _uri_page(twilio, request, "incoming_phone_numbers", [_shown(n) for n in numbers])


@_route("POST", _ACCOUNT + r"/IncomingPhoneNumbers\.json")
def _buy_number(twilio: TwilioStandIn, request: httpx.Request, form: Any) -> httpx.Response:
    return _told(_shown(twilio.state.buy_number(form)), 201)


@_route("POST", _ACCOUNT + r"/IncomingPhoneNumbers/{}\.json")
def _update_number(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, sid: str
) -> httpx.Response:
    return _told(_shown(twilio.state.update_number(sid, form)))


@_route("GET", _ACCOUNT + r"/AvailablePhoneNumbers/([A-Z]{2})/(Local|TollFree|Mobile)\.json")
def _search_numbers(
    twilio: TwilioStandIn, request: httpx.Request, form: Any, country: str, kind: str
) -> httpx.Response:
    area = request.url.params.get("AreaCode", "")
    matching = [n for n in twilio.state.on_sale if n.startswith(f"+1{area}")]
    items = [
        {
            "phone_number": number,
            "friendly_name": number,
            "locality": "San Francisco",
            "region": "CA",
            "iso_country": country,
            "address_requirements": "none",
            "beta": False,
            "capabilities": {"voice": True, "SMS": True, "MMS": True},
        }
        for number in matching
    ]
    return _uri_page(twilio, request, "available_phone_numbers", items)


# -- voice.twilio.com


@_route("GET", "/v1/DialingPermissions/Countries")
def _permissions(twilio: TwilioStandIn, request: httpx.Request, form: Any) -> httpx.Response:
    countries = [
        {
            "iso_code": code,
            "name": {"US": "United States", "GB": "United Kingdom"}.get(code, code),
            "continent": "NORTH_AMERICA" if code == "US" else "EUROPE",
            "country_codes": ["+1" if code == "US" else "+44"],
            "low_risk_numbers_enabled": allowed,
            "high_risk_special_numbers_enabled": False,
            "high_risk_tollfraud_numbers_enabled": False,
            "url": f"https://voice.twilio.com/v1/DialingPermissions/Countries/{code}",
        }
        for code, allowed in twilio.countries.items()
    ]
    return _meta_page(twilio, request, "content", countries)


# -- bodies

_LISTS = {
    "CredentialLists": ("CL", "credential_lists"),
    "IpAccessControlLists": ("AL", "ip_access_control_lists"),
}


def _shown(item: Item) -> Item:
    return {key: value for key, value in item.items() if not key.startswith("_")}


def _trunk(trunk: Item) -> Item:
    kinds = {"CL": "CREDENTIAL_LIST", "AL": "IP_ACL"}
    auth = sorted({kinds[sid[:2]] for sid in trunk["_lists"]})
    url = f"https://trunking.twilio.com/v1/Trunks/{trunk['sid']}"
    told = {"auth_type": ",".join(auth), "auth_type_set": auth, "url": url}
    return _shown(trunk) | told | {"links": {"origination_urls": f"{url}/OriginationUrls"}}


def _url(url: Item) -> Item:
    below = f"Trunks/{url['trunk_sid']}/OriginationUrls/{url['sid']}"
    return _shown(url) | {"url": f"https://trunking.twilio.com/v1/{below}"}


def _trunk_number(number: Item) -> Item:
    return _shown(number) | {"date_created": _ISO, "date_updated": _ISO}


def _association(what: str, trunk_sid: str, item: Item) -> Item:
    url = f"https://trunking.twilio.com/v1/Trunks/{trunk_sid}/{what}/{item['sid']}"
    moments = {"date_created": _ISO, "date_updated": _ISO}
    return _shown(item) | {"trunk_sid": trunk_sid, "url": url} | moments


_ISO = "2026-01-02T03:04:05Z"


def _told(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def _refused(refused: Refusal, headers: dict[str, str] | None = None) -> httpx.Response:
    body = {
        "code": refused.code,
        "message": refused.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refused.code}",
        "status": refused.status,
    }
    return httpx.Response(refused.status, json=body, headers=headers)


def _meta_page(
    twilio: TwilioStandIn, request: httpx.Request, key: str, items: list[Item]
) -> httpx.Response:
    """Page as the newer APIs do."""
    page, size, more = _cut(twilio, request, items)
    meta = {
        "page": page,
        "page_size": size,
        "first_page_url": _at_page(request, 0, size),
        "previous_page_url": None,
        "url": str(request.url),
        "next_page_url": _at_page(request, page + 1, size) if more else None,
        "key": key,
    }
    return _told({key: items[page * size : (page + 1) * size], "meta": meta})


def _uri_page(
    twilio: TwilioStandIn, request: httpx.Request, key: str, items: list[Item]
) -> httpx.Response:
    """Page as the API of 2010 does."""
    page, size, more = _cut(twilio, request, items)
    following = httpx.URL(_at_page(request, page + 1, size)).raw_path.decode()
    return _told(
        {
            key: items[page * size : (page + 1) * size],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": min(len(items), (page + 1) * size),
            "uri": request.url.raw_path.decode(),
            "first_page_uri": httpx.URL(_at_page(request, 0, size)).raw_path.decode(),
            "next_page_uri": following if more else None,
            "previous_page_uri": None,
        }
    )


def _cut(
    twilio: TwilioStandIn, request: httpx.Request, items: list[Item]
) -> tuple[int, int, bool]:
    asked = request.url.params
    size = min(int(asked.get("PageSize", 50)), twilio.largest_page)
    page = int(asked.get("Page", 0))
    return page, size, (page + 1) * size < len(items)


def _at_page(request: httpx.Request, page: int, size: int) -> str:
    params = request.url.params.set("Page", page).set("PageSize", size)
    return str(request.url.copy_with(params=params))


def _known(authorization: str) -> bool:
    users = {ACCOUNT_SID: AUTH_TOKEN, API_KEY: API_SECRET}
    expected = {
        "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
        for user, secret in users.items()
    }
    return authorization in expected


def as_json(exchange: Exchange) -> str:
    """Show an exchange, for a test's message."""
    return json.dumps({"form": exchange.form, "status": exchange.status, "body": exchange.body})
