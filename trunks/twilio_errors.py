"""What Twilio's refusals mean, and what an operator does about each.

Source: https://www.twilio.com/docs/api/errors (the error dictionary); limits of trunks and of trial
accounts: https://www.twilio.com/docs/sip-trunking/scale-and-limits
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from trunks.errors import TrunkError


@dataclass(frozen=True, slots=True)
class _Meaning:
    code: str
    fix: str


_CREDENTIALS = _Meaning(
    "credentials_refused",
    "Compare {at}.account_sid and {at}.auth_token, or api_key and api_secret, with Console > "
    "Account > API keys & tokens; a key belongs to one account and to one region.",
)
_UPGRADE = "Upgrade the account (Console > Billing > Upgrade), or give back what it already has."
_PERMITTED = _Meaning(
    "not_permitted",
    "Use an API key of the type Main or Standard, or give the restricted key the rights to Elastic "
    "SIP Trunking, SIP lists and phone numbers.",
)
_INACTIVE = _Meaning(
    "not_permitted", "The account is suspended or closed: Console > Billing says why."
)

_IN_USE = _Meaning(
    "conflict", "Another trunk or a SIP domain uses the list too: take it off there, run it again."
)

#: Twilio's error code -> what it is to us.
BY_CODE = {
    20003: _CREDENTIALS,
    20005: _INACTIVE,
    10001: _INACTIVE,
    20006: _PERMITTED,
    20008: _Meaning(
        "credentials_refused",
        "{at}.auth_token is that of the test credentials: use the live one of the same page.",
    ),
    10002: _Meaning("trial_account", _UPGRADE),
    21404: _Meaning("trial_account", _UPGRADE),
    20404: _Meaning("not_found", "Run the command again: it lists anew what is there."),
    20429: _Meaning("rate_limited", "Wait a little and run the command again."),
    21236: _IN_USE,
    21241: _IN_USE,
    21235: _Meaning("refused", "Compare allowed_addresses and the trunk's name with what it says."),
    21237: _Meaning("refused", "A list holds 100 addresses: write them as wider CIDR blocks."),
    21238: _Meaning("refused", "Twilio takes IPv4 addresses only."),
    21239: _Meaning("refused", "An account holds 100 credential lists: delete unused ones."),
    21243: _Meaning(
        "refused",
        "A SIP user name has 32 characters at most; a password at least 12, with a digit, a small "
        "and a capital letter.",
    ),
    21244: _Meaning(
        "refused",
        "A trial account has one trunk, a full one a hundred: upgrade, delete a trunk that is not "
        "needed, or take it over with `dialer trunks import`.",
    ),
    21247: _Meaning("conflict", "Take numbers and lists off the trunk first, then run it again."),
    21248: _Meaning(
        "conflict",
        "Somebody has this domain name, or it belonged to a trunk that was deleted in the last 30 "
        "days: write another one into `domain`.",
    ),
    21249: _Meaning("refused", "The trunk has as many origination URLs as Twilio allows."),
    21255: _Meaning("refused", "The account has as many IP access control lists as Twilio allows."),
    21422: _Meaning("refused", "Somebody was quicker: search again and buy another one."),
    21452: _Meaning("refused", "There is no number in this area: search in another one."),
    21631: _Meaning(
        "refused", "The country asks for an address: Console > Phone Numbers > Addresses."
    ),
    21649: _Meaning(
        "refused",
        "The country asks for papers: Console > Phone Numbers > Regulatory Compliance > Bundles.",
    ),
}
_BY_STATUS = {
    401: _CREDENTIALS,
    403: _PERMITTED,
    404: BY_CODE[20404],
    409: _Meaning("conflict", "Run `dialer trunks plan`: it names what is in the way."),
    429: BY_CODE[20429],
}
_OTHER = _Meaning("refused", "Correct what it names in trunks.yaml.")
_RETRYABLE = frozenset({"rate_limited", "carrier_error", "timeout", "unreachable"})


def refusal(
    status: int,
    body: str,
    headers: Mapping[str, str],
    asked: str,
    *,
    credentials_at: str = "carriers",
    now: datetime | None = None,
) -> TrunkError:
    """Translate an answer that is none.

    Shape: ``asked`` says in a few words what the request was, ``credentials_at`` where the
    credentials stand in the file.
    """
    document = _document(body)
    twilio_code = document.get("code")
    said = str(document.get("message") or document.get("title") or f"HTTP status {status}")
    if status >= 500:
        meaning = _Meaning("carrier_error", "Run the command again; https://status.twilio.com")
    else:
        meaning = BY_CODE.get(_number(twilio_code)) or _BY_STATUS.get(status, _OTHER)
    told = f"{said.rstrip('.')} ({twilio_code})" if twilio_code else said.rstrip(".")
    return TrunkError(
        meaning.code,
        f"Twilio refused to {asked}: {told}.",
        meaning.fix.replace("{at}", credentials_at),
        retryable=meaning.code in _RETRYABLE,
        retry_after=_seconds(headers.get("retry-after"), now or datetime.now(UTC)),
    )


def silence(code: str, asked: str) -> TrunkError:
    """Say that no answer came: ``timeout`` or ``unreachable``."""
    what = "did not answer in time" if code == "timeout" else "could not be reached"
    fix = "Run the command again; if it stays so, look at the network and status.twilio.com."
    return TrunkError(code, f"Twilio {what}, asked to {asked}.", fix, retryable=True)


def gibberish(asked: str) -> TrunkError:
    """Say that an answer of success is none that Twilio gives."""
    return TrunkError(
        "carrier_error",
        f"Asked to {asked}, something answered that is not Twilio: its answer is no JSON.",
        "Look at proxies and portals between here and Twilio.",
    )


def _document(body: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", document) if isinstance(document, dict) else {}


def _number(code: object) -> int:
    return int(str(code)) if str(code).isdigit() else 0


def _seconds(header: str | None, now: datetime) -> float | None:
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError):
        return None
