"""The adapter and its stand-in are held to what Twilio publishes about its APIs.

Every exchange of a session that uses all of the adapter is compared with Twilio's own OpenAPI
description: the path, the query, the form's fields with their types, the status and the body. So
the stand-in cannot tell what Twilio would not, and the adapter cannot ask what Twilio does not
know.
"""

from __future__ import annotations

import re

import httpx
import pytest

from tests.kit.twilio_openapi import Published
from tests.kit.twilio_routes import ROUTES
from tests.kit.twilio_standin import Exchange
from tests.kit.twilio_world import (
    NUMBER,
    OTHER_NUMBER,
    a_file,
    a_trunk,
    an_account,
    an_outbound,
    applied,
    the_adapter,
)
from trunks.twilio_account import TOLD

FULL = a_trunk(
    cnam=True,
    secure=False,
    transfer="sip-only",
    disaster_recovery_url="https://example.com/sorry",
    recording="from-answer",
)
#: Kind -> the list that tells of it.
_LISTS = {
    "trunk": "https://trunking.twilio.com/v1/Trunks",
    "origination_url": "https://trunking.twilio.com/v1/Trunks/TK1/OriginationUrls",
    "trunk_credential_list": "https://trunking.twilio.com/v1/Trunks/TK1/CredentialLists",
    "trunk_ip_access_control_list": "https://trunking.twilio.com/v1/Trunks/TK1/IpAccessControlLists",
    "number": "https://trunking.twilio.com/v1/Trunks/TK1/PhoneNumbers",
    "credential_list": "https://api.twilio.com/2010-04-01/Accounts/AC1/SIP/CredentialLists.json",
    "credential": "https://api.twilio.com/2010-04-01/Accounts/AC1/SIP/CredentialLists/CL1/"
    "Credentials.json",
    "ip_access_control_list": "https://api.twilio.com/2010-04-01/Accounts/AC1/SIP/"
    "IpAccessControlLists.json",
    "ip_address": "https://api.twilio.com/2010-04-01/Accounts/AC1/SIP/IpAccessControlLists/AL1/"
    "IpAddresses.json",
    "owned_number": "https://api.twilio.com/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json",
}


@pytest.fixture(scope="module")
def published() -> Published:
    """Read the description once."""
    return Published()


async def everything() -> list[Exchange]:
    """Make, change, move and delete all that the adapter knows, and keep what was said."""
    twilio = an_account()
    twilio.state.on_sale = ["+14155550199"]
    await applied(twilio, a_file(main=FULL))
    [widest] = [a for a in twilio.state.of("IP") if a["cidr_prefix_length"] == 28]
    widest["ip_address"] = "198.51.100.9"
    await applied(twilio, a_file(main=FULL), renew_secrets=True)
    changed = a_trunk(
        inbound={"deliver_to": [{"url": "sip:203.0.113.7:5060", "weight": 20}]},
        outbound=an_outbound(username="other", from_addresses=["203.0.113.0/29"]),
    )
    second = a_trunk(domain="acme-second")
    await applied(twilio, a_file(main=changed, second=second))
    await applied(
        twilio,
        a_file(numbers={NUMBER: "second", OTHER_NUMBER: "main"}, main=changed, second=second),
    )
    await applied(twilio, a_file(numbers={}, second=second))
    with twilio.router():
        adapter = the_adapter(a_file())
        await adapter.search_numbers("US", area_code=415, contains="0199")
        await adapter.buy_number("+14155550199")
        await adapter.remarks(a_file())
        await adapter.aclose()
    return twilio.exchanges


async def test_every_exchange_is_as_published(published: Published) -> None:
    faults: dict[str, list[str]] = {}
    for exchange in await everything():
        operation = published.operation(exchange.method, exchange.url)
        found = [
            *operation.query_faults(dict(exchange.url.params)),
            *operation.form_faults(exchange.form),
            *operation.body_faults(exchange.status, exchange.body),
        ]
        if found:
            faults[f"{exchange.method} {operation.path}"] = found
    assert faults == {}


async def test_no_route_of_the_stand_in_escapes_the_comparison() -> None:
    said = [(exchange.method, exchange.url.path) for exchange in await everything()]
    unused = [
        (method, pattern)
        for method, pattern, _ in ROUTES
        if not any(method == m and re.fullmatch(pattern, path) for m, path in said)
    ]
    assert unused == []


@pytest.mark.parametrize("kind", sorted(TOLD))
def test_what_the_adapter_reads_is_told(published: Published, kind: str) -> None:
    operation = published.operation("GET", httpx.URL(_LISTS[kind]))
    assert set(TOLD[kind]) <= operation.told_in_a_list()


def test_a_wrong_exchange_would_be_noticed(published: Published) -> None:
    trunks = published.operation("POST", httpx.URL("https://trunking.twilio.com/v1/Trunks"))
    assert trunks.form_faults({"FriendlyNames": "x"}) == ["no such field: FriendlyNames"]
    assert trunks.form_faults({"TransferMode": "sometimes"})
    assert trunks.body_faults(200, {"sid": 7})
    assert trunks.body_faults(201, {"sid": 7})
    assert trunks.body_faults(201, {"colour": "blue"}) == ["body.colour is not documented"]
    with pytest.raises(LookupError):
        published.operation("GET", httpx.URL("https://trunking.twilio.com/v1/Canals"))
