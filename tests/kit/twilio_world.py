"""A file that wants a Twilio trunk, and the way from it to the stand-in and back."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from tests.kit.twilio_standin import ACCOUNT_SID, AUTH_TOKEN, TwilioStandIn
from trunks import looking
from trunks.accounts import Twilio
from trunks.apply import Outcome, apply
from trunks.desired import Desired
from trunks.patience import Patience
from trunks.steps import Plan
from trunks.twilio_trunking import TwilioTrunking

PASSWORD = "Longer-than-16-characters"
NUMBER = "+14155550100"
OTHER_NUMBER = "+14155550101"


def a_file(*, numbers: dict[str, str] | None = None, **trunks: dict[str, Any]) -> Desired:
    """Want one trunk with all that Twilio has, or those that are given."""
    numbers = {NUMBER: "main", OTHER_NUMBER: "main"} if numbers is None else numbers
    return Desired.model_validate(
        {
            "version": 1,
            "deployment": "acme",
            "carriers": {
                "main": {
                    "kind": "twilio",
                    "account_sid": ACCOUNT_SID,
                    "auth_token": SecretStr(AUTH_TOKEN),
                }
            },
            "trunks": trunks or {"main": a_trunk()},
            "numbers": {number: {"trunk": trunk} for number, trunk in numbers.items()},
            "livekit": {
                "url": "ws://127.0.0.1:7880",
                "api_key": "devkey",
                "api_secret": SecretStr("a secret for development only, long enough"),
            },
        }
    )


def a_trunk(**fields: Any) -> dict[str, Any]:
    """Want a trunk in both directions."""
    return {
        "carrier": "main",
        "domain": "acme-main",
        "outbound": an_outbound(),
        "inbound": {
            "deliver_to": [
                {"url": "sip:203.0.113.7:5060"},
                {"url": "sip:203.0.113.8:5061;transport=tls", "priority": 20},
            ],
            "allowed_addresses": ["54.172.60.0/30"],
        },
        **fields,
    }


def an_outbound(**fields: Any) -> dict[str, Any]:
    """Dial with credentials, from two networks of ours."""
    return {
        "username": "acme",
        "password": SecretStr(PASSWORD),
        "from_addresses": ["203.0.113.7/32", "198.51.100.0/28"],
        **fields,
    }


#: A trunk with all that the file can ask for.
FULL = a_trunk(
    cnam=True,
    transfer="sip-only",
    disaster_recovery_url="https://example.com/sorry",
    recording="from-answer",
)


def an_account(*numbers: str) -> TwilioStandIn:
    """Have an account with numbers."""
    twilio = TwilioStandIn()
    for number in numbers or (NUMBER, OTHER_NUMBER):
        twilio.state.own_number(number)
    return twilio


def the_adapter(desired: Desired) -> TwilioTrunking:
    """Build the adapter of the file's carrier."""
    carrier = desired.carriers["main"]
    assert isinstance(carrier, Twilio)
    return TwilioTrunking(carrier_name="main", carrier=carrier, deployment=desired.deployment)


async def planned(twilio: TwilioStandIn, desired: Desired) -> Plan:
    """Compare the file with the account."""
    with twilio.router():
        adapter = the_adapter(desired)
        try:
            return await looking.planned(desired, [adapter], patience=patience(tries=1))
        finally:
            await adapter.aclose()


async def applied(
    twilio: TwilioStandIn, desired: Desired, *, tries: int = 1, renew_secrets: bool = False
) -> Plan:
    """Compare and carry out, and give the plan. Errors: the first TrunkError of a step."""
    with twilio.router():
        adapter = the_adapter(desired)
        try:
            plan = await looking.planned(
                desired, [adapter], patience=patience(tries), renew_secrets=renew_secrets
            )
            results = await apply(plan, [adapter], patience=patience(tries))
        finally:
            await adapter.aclose()
    for result in results:
        if result.error is not None:
            raise result.error
    assert all(result.outcome is Outcome.DONE for result in results)
    return plan


def patience(tries: int) -> Patience:
    """Try so often, without waiting."""

    async def at_once(_: float) -> None:
        return None

    return Patience(tries=tries, sleep=at_once)


def picture(twilio: TwilioStandIn) -> Any:
    """Draw what is at the account, without ids and moments, so that two can be compared."""
    state = twilio.state
    lists = {"CL": "credentials", "AL": "addresses"}
    return {
        "trunks": sorted(
            (
                {key: trunk[key] for key in _OF_A_TRUNK}
                | {
                    "urls": sorted(
                        (url["sip_url"], url["weight"], url["priority"], url["enabled"])
                        for url in state.of("OU", trunk_sid=trunk["sid"])
                    ),
                    "numbers": sorted(
                        number["phone_number"] for number in state.of("PN", trunk_sid=trunk["sid"])
                    ),
                    "lists": sorted(
                        (lists[sid[:2]], state.items[sid]["friendly_name"])
                        for sid in trunk["_lists"]
                    ),
                }
                for trunk in state.of("TK")
            ),
            key=lambda trunk: str(trunk["friendly_name"]),
        ),
        "lists": sorted(item["friendly_name"] for item in (*state.of("CL"), *state.of("AL"))),
        "credentials": sorted((c["username"], c["_password"]) for c in state.of("CR")),
        "addresses": sorted((a["ip_address"], a["cidr_prefix_length"]) for a in state.of("IP")),
    }


_OF_A_TRUNK = (
    "friendly_name",
    "domain_name",
    "secure",
    "transfer_mode",
    "transfer_caller_id",
    "cnam_lookup_enabled",
    "disaster_recovery_url",
    "disaster_recovery_method",
    "recording",
)
