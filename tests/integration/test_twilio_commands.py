"""`dialer trunks` against Twilio, as an operator with a new account meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dialer import migrations
from dialer.cli import app
from tests.kit.far_end import FakeAdapter, FarEnd
from tests.kit.twilio_standin import ACCOUNT_SID, API_KEY, API_SECRET, TwilioStandIn
from tests.kit.twilio_world import PASSWORD
from trunks import carriers
from trunks.desired import Desired
from trunks.resources import Wanted

NEW = """\
version: 1
deployment: acme
carriers:
  twilio:
    kind: twilio
    account_sid: ${TWILIO_ACCOUNT_SID}
    api_key: ${TWILIO_API_KEY}
    api_secret: ${TWILIO_API_SECRET}
"""
NOTHING_YET = NEW + "trunks: {}\n"
WHOLE = (
    NEW
    + """\
trunks:
  main:
    carrier: twilio
    domain: acme-main
    outbound:
      username: ${SIP_USERNAME}
      password: ${SIP_PASSWORD}
      from_addresses: [203.0.113.7/32]
      destination_country: GB
      cps: 1
    inbound:
      deliver_to:
        - url: sip:203.0.113.7:5060
      allowed_addresses:
        - 54.172.60.0/30
        - 54.244.51.0/30
numbers:
  "+14155550199":
    trunk: main
    inbound: {agent: receptionist}
"""
)
ENVIRONMENT = {
    "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
    "TWILIO_API_KEY": API_KEY,
    "TWILIO_API_SECRET": API_SECRET,
    "SIP_USERNAME": "acme",
    "SIP_PASSWORD": PASSWORD,
    "LIVEKIT_URL": "ws://127.0.0.1:7880",
    "LIVEKIT_API_KEY": "devkey",
    "LIVEKIT_API_SECRET": "secret-of-livekit",
    "TRUNKS_FILE": "trunks.yaml",
    "DATABASE_URL": "sqlite:///gateway.db",
    "TOKEN_SECRET": "token-secret-of-the-tests-32-and-more",
    "COLUMNS": "200",
}


class NoLiveKit(FakeAdapter):
    """A LiveKit of which nothing is wanted."""

    def __init__(self, *, livekit: Any, deployment: str, agent_name: str) -> None:
        super().__init__(FarEnd(), place="livekit", deployment=deployment)

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Want nothing."""
        return []


@pytest.fixture
def twilio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TwilioStandIn]:
    """Have a new account, and a file that only names it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("DEPLOYMENT", "SECRETS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(carriers, "LIVEKIT", (__name__, "NoLiveKit"))
    monkeypatch.chdir(tmp_path)
    Path("trunks.yaml").write_text(NOTHING_YET, encoding="utf-8")
    migrations.upgrade(ENVIRONMENT["DATABASE_URL"])
    stand_in = TwilioStandIn()
    stand_in.state.on_sale = ["+14155550199", "+12125550199"]
    with stand_in.router():
        yield stand_in


def trunks(*arguments: str, answer: str | None = None) -> tuple[int, str, str]:
    """Run a command; give its status and what it said."""
    result = CliRunner().invoke(app, ["trunks", *arguments], input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_from_a_new_account_to_a_trunk_that_is_as_the_file_says(twilio: TwilioStandIn) -> None:
    status, out, _ = trunks("numbers", "search", "--country", "US", "--area-code", "415")
    assert (status, "+14155550199" in out, "+12125550199" in out) == (0, True, False)
    assert trunks("numbers", "buy", "+14155550199", "--yes")[0] == 0
    Path("trunks.yaml").write_text(WHOLE, encoding="utf-8")
    status, out, _ = trunks("plan")
    assert (status, "+ twilio:twilio trunk acme/main" in out) == (3, True)
    assert len(twilio.state.of("TK")) == 0
    status, _, err = trunks("apply")
    assert status == 0, err
    assert trunks("plan")[0] == 0
    assert [number["trunk_sid"] for number in twilio.state.of("PN")] == [
        trunk["sid"] for trunk in twilio.state.of("TK")
    ]


def test_what_only_the_console_can_change_is_said_by_verify(twilio: TwilioStandIn) -> None:
    twilio.state.own_number("+14155550199")
    Path("trunks.yaml").write_text(WHOLE, encoding="utf-8")
    trunks("apply")
    status, out, err = trunks("verify")
    assert (status, out) == (0, "All is as the file wants it.\n")
    assert "warning: trunks.main.symmetric_rtp: Twilio's API does not set it" in err
    assert "may not call United Kingdom" in err
    told = json.loads(trunks("verify", "--json")[1])
    assert (told["drift"], len(told["remarks"])) == ([], 2)


def test_no_number_is_bought_without_an_answer(twilio: TwilioStandIn) -> None:
    for answer in (None, "n\n"):
        status, _, err = trunks("numbers", "buy", "+14155550199", answer=answer)
        assert (status, "It costs money" in err) == (3, True)
    assert twilio.exchanges == []
    status, out, _ = trunks("numbers", "buy", "+14155550199", "--yes", "--json")
    assert (status, json.loads(out)["phone_number"]) == (0, "+14155550199")
    assert [number["phone_number"] for number in twilio.state.of("PN")] == ["+14155550199"]


def test_a_number_that_is_none_is_refused_before_anything_is_asked(twilio: TwilioStandIn) -> None:
    assert trunks("numbers", "buy", "4155550199", "--yes")[0] == 2
    assert twilio.exchanges == []


def test_a_carrier_that_sells_no_numbers_is_told(twilio: TwilioStandIn) -> None:
    status, _, err = trunks("numbers", "search", "--country", "US", "--carrier", "other")
    assert (status, "Say --carrier: twilio" in err) == (2, True)


def test_wrong_credentials_end_with_their_status_and_what_to_do(
    twilio: TwilioStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_API_SECRET", "mistyped")
    status, out, err = trunks("plan")
    assert (status, "carriers.twilio.account_sid" in err) == (4, True)
    assert "mistyped" not in out + err
    assert len(twilio.exchanges) == 1


def test_a_wrong_file_is_told_with_its_line_and_nothing_is_asked(twilio: TwilioStandIn) -> None:
    wrong = WHOLE.replace("sip:203.0.113.7:5060", "sips:203.0.113.7:5061")
    Path("trunks.yaml").write_text(wrong, encoding="utf-8")
    status, _, err = trunks("apply")
    assert (status, "Twilio knows no sips" in err) == (2, True)
    assert "trunks.yaml:21:" in err
    assert twilio.exchanges == []
