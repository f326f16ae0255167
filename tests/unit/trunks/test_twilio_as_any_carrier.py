"""Twilio's adapter under the suite that every carrier's adapter passes."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.kit.carrier_standin import AFTER, RETRY_AFTER, Fault, Killed, Standin
from tests.kit.trunk_files import NUMBER, OTHER_NUMBER
from tests.kit.twilio_standin import ACCOUNT_SID, AUTH_TOKEN, TwilioStandIn
from tests.kit.twilio_world import PASSWORD, picture
from tests.unit.trunks import test_carrier_adapters as suite
from trunks.desired import Desired
from trunks.twilio_trunking import TwilioTrunking

_AS: dict[Fault, int | type[BaseException]] = {
    Fault.KILLED_BEFORE: Killed,
    Fault.KILLED_AFTER: Killed,
    Fault.NO_CONNECTION: httpx.ConnectError,
    Fault.LOST_ANSWER: httpx.ReadTimeout,
    Fault.BUSY: 429,
    Fault.BROKEN: 502,
    Fault.BROKEN_AFTER: 502,
}


class TwilioStandin(Standin):
    """Twilio's stand-in, in the suite's words."""

    base_url = "https://"

    def __init__(self, *numbers: str) -> None:
        super().__init__()
        self.twilio = TwilioStandIn()
        for number in numbers:
            self.twilio.state.own_number(number)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Take a request; for ``respx``."""
        fault = self.faults.get(len(self.requests))
        self.requests.append((request.method, request.url.path))
        if fault is not None:
            headers = {"Retry-After": str(RETRY_AFTER)} if fault is Fault.BUSY else {}
            self.twilio.fail(1, _AS[fault], after=fault in AFTER, headers=headers)
        return self.twilio(request)

    def state(self) -> dict[str, list[str]]:
        """Tell all that is there."""
        return {"account": [json.dumps(picture(self.twilio), sort_keys=True)]}

    def route_elsewhere(self, number: str) -> None:
        """Have a number on somebody else's trunk."""
        theirs = self.twilio.state.create_trunk({"FriendlyName": "PBX"})
        [taken] = self.twilio.state.of("PN", phone_number=number)
        taken["trunk_sid"] = theirs["sid"]


class TwilioRuns(suite.Runs):
    """Runs with what Twilio wants besides: a domain, and a password to its taste."""

    def file(self, *changes: tuple[str, Any]) -> Desired:
        """Give the suite's file, as it is written for Twilio."""
        besides: list[tuple[str, Any]] = [
            ("trunks/main/domain", "acme-main"),
            ("trunks/main/outbound/password", SecretStr(PASSWORD)),
        ]
        if ("trunks/main/encryption", "require") in changes:
            tls = [{"url": "sip:sip.example.com:5061;transport=tls"}]
            besides += [("trunks/main/transport", "tls"), ("trunks/main/inbound/deliver_to", tls)]
        return super().file(*besides, *changes)


TWILIO = suite.Case(
    TwilioStandin,
    TwilioTrunking,
    {"kind": "twilio", "account_sid": ACCOUNT_SID, "auth_token": SecretStr(AUTH_TOKEN)},
    {"kind": "twilio", "account_sid": ACCOUNT_SID, "auth_token": SecretStr("WRONG")},
)


@pytest.fixture(autouse=True)
def _runs_of_twilio(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(suite, "Runs", TwilioRuns)


@pytest.fixture
def case() -> suite.Case:
    return TWILIO


@pytest.fixture
def standin(case: suite.Case) -> Standin:
    return case.standin(NUMBER, OTHER_NUMBER, "+14155550102")


@pytest.fixture
def runs(case: suite.Case, standin: Standin) -> suite.Runs:
    return TwilioRuns(case, standin)


# The rest of the suite speaks of the other carriers' records; the same is tested of Twilio with its
# own in tests/integration/test_twilio_trunking.py.
test_applying_twice = suite.test_applying_twice_writes_nothing_the_second_time
test_killed = suite.test_killed_at_any_request_the_next_run_ends_in_the_same_state
test_fails_for_a_moment = suite.test_a_request_that_fails_for_a_moment_is_made_good_in_the_same_run
test_stays_away = suite.test_a_carrier_that_stays_away_is_given_up_with_words
test_wrong_credentials = suite.test_wrong_credentials_change_nothing_and_are_told_with_their_place
test_change_of_the_file = suite.test_a_change_of_the_file_is_made_and_then_nothing_is_left
test_number_in_use = suite.test_a_number_that_somebody_uses_is_not_taken_from_him
test_number_not_in_the_account = suite.test_a_number_that_is_not_in_the_account_is_told
