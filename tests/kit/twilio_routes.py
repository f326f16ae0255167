"""The routes of Twilio's stand-in: which request does what, and in which form it is answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.kit.twilio_state import ISO_MOMENT, Item, Refusal, TwilioState, not_found

ACCOUNT_SID = "AC" + "0a" * 16


@dataclass(frozen=True)
class Asked:
    """One request, with what there is to answer it from."""

    method: str
    url: httpx.URL
    form: dict[str, str]
    state: TwilioState
    status: str
    countries: Mapping[str, bool]
    largest_page: int


def answer(asked: Asked) -> httpx.Response:
    """Do what is asked, or refuse as Twilio does."""
    try:
        for method, pattern, act in ROUTES:
            matched = re.fullmatch(pattern, asked.url.path)
            if matched and method == asked.method:
                return act(asked, *matched.groups())
        raise not_found(asked.url.path)
    except Refusal as refusal:
        return refused(refusal)


_Act = Callable[..., httpx.Response]
ROUTES: list[tuple[str, str, _Act]] = []
_TRUNKING = "/v1/Trunks"
_ACCOUNT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
_SID = "([A-Z]{2}[0-9a-f]{32})"


def _route(method: str, pattern: str) -> Callable[[_Act], _Act]:
    def remember(act: _Act) -> _Act:
        ROUTES.append((method, pattern.replace("{}", _SID), act))
        return act

    return remember


# -- trunking.twilio.com


@_route("GET", _TRUNKING)
def _list_trunks(asked: Asked) -> httpx.Response:
    return _meta_page(asked, "trunks", [_trunk(t) for t in asked.state.of("TK")])


@_route("POST", _TRUNKING)
def _create_trunk(asked: Asked) -> httpx.Response:
    return _told(_trunk(asked.state.create_trunk(asked.form)), 201)


@_route("POST", _TRUNKING + "/{}")
def _update_trunk(asked: Asked, sid: str) -> httpx.Response:
    return _told(_trunk(asked.state.update_trunk(sid, asked.form)))


@_route("DELETE", _TRUNKING + "/{}")
def _delete_trunk(asked: Asked, sid: str) -> httpx.Response:
    asked.state.delete_trunk(sid)
    return httpx.Response(204)


@_route("POST", _TRUNKING + "/{}/Recording")
def _set_recording(asked: Asked, trunk: str) -> httpx.Response:
    return _told(asked.state.set_recording(trunk, asked.form), 202)


@_route("GET", _TRUNKING + "/{}/OriginationUrls")
def _list_urls(asked: Asked, trunk: str) -> httpx.Response:
    asked.state.get("TK", trunk)
    urls = [_url(url) for url in asked.state.of("OU", trunk_sid=trunk)]
    return _meta_page(asked, "origination_urls", urls)


@_route("POST", _TRUNKING + "/{}/OriginationUrls")
def _create_url(asked: Asked, trunk: str) -> httpx.Response:
    return _told(_url(asked.state.create_origination_url(trunk, asked.form)), 201)


@_route("POST", _TRUNKING + "/{}/OriginationUrls/{}")
def _update_url(asked: Asked, trunk: str, sid: str) -> httpx.Response:
    return _told(_url(asked.state.update_origination_url(trunk, sid, asked.form)))


@_route("DELETE", _TRUNKING + "/{}/OriginationUrls/{}")
def _delete_url(asked: Asked, trunk: str, sid: str) -> httpx.Response:
    del asked.state.items[asked.state.get("OU", sid, trunk_sid=trunk)["sid"]]
    return httpx.Response(204)


@_route("GET", _TRUNKING + "/{}/(CredentialLists|IpAccessControlLists)")
def _list_associations(asked: Asked, trunk: str, what: str) -> httpx.Response:
    prefix, key = _LISTS[what]
    associated = asked.state.get("TK", trunk)["_lists"]
    items = [_association(what, trunk, i) for i in asked.state.of(prefix) if i["sid"] in associated]
    return _meta_page(asked, key, items)


@_route("POST", _TRUNKING + "/{}/(CredentialLists|IpAccessControlLists)")
def _associate(asked: Asked, trunk: str, what: str) -> httpx.Response:
    prefix, _ = _LISTS[what]
    item = asked.state.associate_list(trunk, prefix, asked.form.get(f"{what[:-1]}Sid", ""))
    return _told(_association(what, trunk, item), 201)


@_route("DELETE", _TRUNKING + "/{}/(?:CredentialLists|IpAccessControlLists)/{}")
def _dissociate(asked: Asked, trunk: str, sid: str) -> httpx.Response:
    asked.state.dissociate_list(trunk, sid)
    return httpx.Response(204)


@_route("POST", _TRUNKING + "/{}/PhoneNumbers")
def _associate_number(asked: Asked, trunk: str) -> httpx.Response:
    return _told(_trunk_number(asked.state.associate_number(trunk, asked.form)), 201)


@_route("DELETE", _TRUNKING + "/{}/PhoneNumbers/{}")
def _dissociate_number(asked: Asked, trunk: str, sid: str) -> httpx.Response:
    asked.state.dissociate_number(trunk, sid)
    return httpx.Response(204)


# -- api.twilio.com


@_route("GET", _ACCOUNT.replace(".", r"\.") + r"\.json")
def _account(asked: Asked) -> httpx.Response:
    kind = "Trial" if asked.state.trial else "Full"
    return _told({"sid": ACCOUNT_SID, "type": kind, "status": asked.status})


@_route("GET", _ACCOUNT + r"/SIP/(CredentialLists|IpAccessControlLists)\.json")
def _list_lists(asked: Asked, what: str) -> httpx.Response:
    prefix, key = _LISTS[what]
    return _uri_page(asked, key, [_shown(i) for i in asked.state.of(prefix)])


@_route("POST", _ACCOUNT + r"/SIP/(CredentialLists|IpAccessControlLists)\.json")
def _create_list(asked: Asked, what: str) -> httpx.Response:
    return _told(_shown(asked.state.create_list(_LISTS[what][0], asked.form)), 201)


@_route("POST", _ACCOUNT + r"/SIP/(CredentialLists|IpAccessControlLists)/{}\.json")
def _update_list(asked: Asked, what: str, sid: str) -> httpx.Response:
    return _told(_shown(asked.state.update_list(_LISTS[what][0], sid, asked.form)))


@_route("DELETE", _ACCOUNT + r"/SIP/(CredentialLists|IpAccessControlLists)/{}\.json")
def _delete_list(asked: Asked, what: str, sid: str) -> httpx.Response:
    asked.state.delete_list(_LISTS[what][0], sid)
    return httpx.Response(204)


@_route("GET", _ACCOUNT + r"/SIP/CredentialLists/{}/Credentials\.json")
def _list_credentials(asked: Asked, sid: str) -> httpx.Response:
    asked.state.get("CL", sid)
    items = [_shown(i) for i in asked.state.of("CR", credential_list_sid=sid)]
    return _uri_page(asked, "credentials", items)


@_route("POST", _ACCOUNT + r"/SIP/CredentialLists/{}/Credentials\.json")
def _create_credential(asked: Asked, parent: str) -> httpx.Response:
    return _told(_shown(asked.state.create_credential(parent, asked.form)), 201)


@_route("POST", _ACCOUNT + r"/SIP/CredentialLists/{}/Credentials/{}\.json")
def _update_credential(asked: Asked, parent: str, sid: str) -> httpx.Response:
    return _told(_shown(asked.state.update_credential(parent, sid, asked.form)))


@_route("GET", _ACCOUNT + r"/SIP/IpAccessControlLists/{}/IpAddresses\.json")
def _list_addresses(asked: Asked, sid: str) -> httpx.Response:
    asked.state.get("AL", sid)
    items = [_shown(i) for i in asked.state.of("IP", ip_access_control_list_sid=sid)]
    return _uri_page(asked, "ip_addresses", items)


@_route("POST", _ACCOUNT + r"/SIP/IpAccessControlLists/{}/IpAddresses\.json")
def _create_address(asked: Asked, parent: str) -> httpx.Response:
    return _told(_shown(asked.state.create_address(parent, asked.form)), 201)


@_route("POST", _ACCOUNT + r"/SIP/IpAccessControlLists/{}/IpAddresses/{}\.json")
def _update_address(asked: Asked, parent: str, sid: str) -> httpx.Response:
    return _told(_shown(asked.state.update_address(parent, sid, asked.form)))


@_route("DELETE", _ACCOUNT + r"/SIP/[A-Za-z]+/{}/(?:Credentials|IpAddresses)/{}\.json")
def _delete_entry(asked: Asked, parent: str, sid: str) -> httpx.Response:
    if sid not in asked.state.items:
        raise not_found(sid)
    del asked.state.items[sid]
    return httpx.Response(204)


@_route("GET", _ACCOUNT + r"/IncomingPhoneNumbers\.json")
def _list_numbers(asked: Asked) -> httpx.Response:
    wanted = asked.url.params.get("PhoneNumber")
    numbers = [n for n in asked.state.of("PN") if wanted in (None, n["phone_number"])]
    return _uri_page(asked, "incoming_phone_numbers", [_shown(n) for n in numbers])


@_route("POST", _ACCOUNT + r"/IncomingPhoneNumbers\.json")
def _buy_number(asked: Asked) -> httpx.Response:
    return _told(_shown(asked.state.buy_number(asked.form)), 201)


@_route("POST", _ACCOUNT + r"/IncomingPhoneNumbers/{}\.json")
def _update_number(asked: Asked, sid: str) -> httpx.Response:
    return _told(_shown(asked.state.update_number(sid, asked.form)))


@_route("GET", _ACCOUNT + r"/AvailablePhoneNumbers/([A-Z]{2})/(Local|TollFree|Mobile)\.json")
def _search_numbers(asked: Asked, country: str, kind: str) -> httpx.Response:
    area = asked.url.params.get("AreaCode", "")
    matching = [n for n in asked.state.on_sale if n.startswith(f"+1{area}")]
    items = [
        {
            "phone_number": number,
            "friendly_name": number,
            "locality": "San Francisco",
            "region": "CA",
            "iso_country": country,
            "address_requirements": "none",
            "beta": False,
            "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
        }
        for number in matching
    ]
    return _uri_page(asked, "available_phone_numbers", items)


# -- voice.twilio.com


@_route("GET", "/v1/DialingPermissions/Countries")
def _permissions(asked: Asked) -> httpx.Response:
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
        for code, allowed in asked.countries.items()
    ]
    return _meta_page(asked, "content", countries)


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
    return _shown(number) | {"date_created": ISO_MOMENT, "date_updated": ISO_MOMENT}


def _association(what: str, trunk_sid: str, item: Item) -> Item:
    url = f"https://trunking.twilio.com/v1/Trunks/{trunk_sid}/{what}/{item['sid']}"
    moments = {"date_created": ISO_MOMENT, "date_updated": ISO_MOMENT}
    return _shown(item) | {"trunk_sid": trunk_sid, "url": url} | moments


def _told(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def refused(refusal: Refusal, headers: dict[str, str] | None = None) -> httpx.Response:
    body = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    return httpx.Response(refusal.status, json=body, headers=headers)


def _meta_page(asked: Asked, key: str, items: list[Item]) -> httpx.Response:
    """Page as the newer APIs do."""
    page, size, more = _cut(asked, items)
    meta = {
        "page": page,
        "page_size": size,
        "first_page_url": _at_page(asked, 0, size),
        "previous_page_url": None,
        "url": str(asked.url),
        "next_page_url": _at_page(asked, page + 1, size) if more else None,
        "key": key,
    }
    return _told({key: items[page * size : (page + 1) * size], "meta": meta})


def _uri_page(asked: Asked, key: str, items: list[Item]) -> httpx.Response:
    """Page as the API of 2010 does."""
    page, size, more = _cut(asked, items)
    following = httpx.URL(_at_page(asked, page + 1, size)).raw_path.decode()
    return _told(
        {
            key: items[page * size : (page + 1) * size],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": min(len(items), (page + 1) * size),
            "uri": asked.url.raw_path.decode(),
            "first_page_uri": httpx.URL(_at_page(asked, 0, size)).raw_path.decode(),
            "next_page_uri": following if more else None,
            "previous_page_uri": None,
        }
    )


def _cut(asked: Asked, items: list[Item]) -> tuple[int, int, bool]:
    params = asked.url.params
    size = min(int(params.get("PageSize", 50)), asked.largest_page)
    page = int(params.get("Page", 0))
    return page, size, (page + 1) * size < len(items)


def _at_page(asked: Asked, page: int, size: int) -> str:
    params = asked.url.params.set("Page", page).set("PageSize", size)
    return str(asked.url.copy_with(params=params))
