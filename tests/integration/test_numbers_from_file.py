"""`dialer trunks` and `dialer numbers` over the same numbers, in the dialer's own database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dialer import migrations
from dialer.cli import app
from dialer.routing.from_file import open_store
from telephony.opening_hours import Hours
from tests.kit.far_end import FakeAdapter, FarEnd
from trunks import carriers
from trunks.desired import Desired
from trunks.errors import TrunkError
from trunks.kept import KeptNumber
from trunks.resources import Wanted

NUMBER, BY_HAND = "+14155550190", "+14155550191"
SECRET = "a-secret-that-nobody-is-told"
FILE = f"""\
version: 1
deployment: tel
carriers:
  main: {{kind: generic}}
trunks:
  main:
    carrier: main
    address: sip.example.net
    inbound: {{allowed_addresses: [203.0.113.0/24]}}
numbers:
  "{NUMBER}":
    trunk: main
    inbound:
      agent: default
      hours: office
      closed: {{message: We are closed.}}
      overflow: "+14155550199"
      blocked_callers: ["+1900*"]
      webhook_url: https://backend.example.com/agent
      webhook_secret: ${{WEBHOOK_SECRET}}
hours:
  office: {{time_zone: America/New_York, weekly: {{fri: ["22:00-02:00"]}}, holidays: [2026-12-25]}}
"""
AGENTS = "agents: {default: {instructions: Be kind., greeting: Hello.}}\n"


class NoLiveKit(FakeAdapter):
    """A LiveKit that is asked for nothing."""

    def __init__(self, *, livekit: Any, deployment: str, agent_name: str) -> None:
        super().__init__(FarEnd(), place="livekit", deployment=deployment)

    def wanted(self, desired: Desired) -> Sequence[Wanted]:
        """Want nothing."""
        return []


@pytest.fixture(autouse=True)
def _gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DATABASE_URL": "sqlite:///numbers.db",
        "TOKEN_SECRET": "token-secret-of-the-tests-32-and-more",
        "LIVEKIT_URL": "ws://127.0.0.1:7880",
        "LIVEKIT_API_KEY": "devkey",
        "LIVEKIT_API_SECRET": "secret-of-livekit",
        "WEBHOOK_SECRET": SECRET,
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("SECRETS_KEY", "DEPLOYMENT", "AGENTS_FILE", "TRUNKS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(carriers, "LIVEKIT", (__name__, "NoLiveKit"))
    Path("trunks.yaml").write_text(FILE, encoding="utf-8")
    Path("agents.yaml").write_text(AGENTS, encoding="utf-8")
    migrations.upgrade("sqlite:///numbers.db")


def dialer(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_what_the_file_says_of_a_number_is_made_once_and_told_to_be_the_files() -> None:
    status, out, err = dialer("trunks", "plan")
    assert (
        status == 3 and f"+ gateway number tel/{NUMBER}  answered by default, in its hours" in out
    )
    assert "warning" not in err
    assert dialer("trunks", "apply")[0] == 0
    assert dialer("trunks", "verify")[:2] == (0, "All is as the file wants it.\n")
    assert dialer("trunks", "apply")[0] == 0
    listed = dialer("numbers", "list")[1]
    assert NUMBER in listed and "trunks.yaml of tel" in listed
    assert SECRET.encode() not in Path("numbers.db").read_bytes()


def test_drift_by_hand_is_found_and_mended() -> None:
    dialer("trunks", "apply")
    assert dialer("numbers", "add", NUMBER, "--agent", "other")[0] == 0
    status, out, _ = dialer("trunks", "verify")
    assert status == 3
    assert f"gateway number tel/{NUMBER}: agent is other, and should be default." in out
    assert "hours.fri is nothing, and should be 22:00-02:00." in out
    assert dialer("trunks", "apply")[0] == 0 and dialer("trunks", "verify")[0] == 0
    assert dialer("numbers", "remove", NUMBER)[0] == 0
    assert dialer("trunks", "verify")[1] == f"gateway number tel/{NUMBER} is missing.\n"
    assert dialer("trunks", "apply")[0] == 0 and dialer("trunks", "verify")[0] == 0


def test_a_number_made_by_hand_is_in_the_way_until_it_is_imported_and_others_stay() -> None:
    for number in (NUMBER, BY_HAND):
        assert dialer("numbers", "add", number, "--agent", "other")[0] == 0
    status, _, err = dialer("trunks", "apply")
    assert status == 4 and "made by `dialer numbers add`" in err and "dialer trunks import" in err
    assert dialer("trunks", "import", "--yes")[0] == 0
    assert dialer("trunks", "verify")[0] == 0
    Path("trunks.yaml").write_text(FILE.split("    inbound:\n")[0], encoding="utf-8")
    text = Path("trunks.yaml").read_text(encoding="utf-8")
    assert dialer("trunks", "apply", "--yes")[0] == 0, text
    listed = dialer("numbers", "list")[1]
    assert BY_HAND in listed and NUMBER not in listed


def test_an_agent_that_the_gateway_does_not_have_is_doubted_with_its_line() -> None:
    Path("trunks.yaml").write_text(FILE.replace("agent: default", "agent: defalt"), "utf-8")
    status, _, err = dialer("trunks", "plan")
    line = FILE.splitlines().index("      agent: default") + 1
    assert status == 3 and f"trunks.yaml:{line}:14: warning: " in err
    assert "no defalt" in err and "Did you mean default?" in err
    Path("agents.yaml").unlink()
    assert "AGENTS_FILE" in dialer("trunks", "plan")[2]


def test_another_deployment_than_the_gateways_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYMENT", "acme")
    err = dialer("trunks", "plan")[2]
    assert "trunks.yaml:2:13: warning: deployment: The gateway's DEPLOYMENT is acme" in err


KEPT = KeptNumber(
    name=NUMBER,
    deployment="tel",
    agent="default",
    hours=Hours.model_validate({"time_zone": "UTC", "weekly": {"mon": ["09:00-17:00"]}}),
    closed_message="We are closed.",
    overflow_number="+14155550199",
    blocked_callers=("+1900*", "anonymous"),
    webhook_url="https://backend.example.com/agent",
    webhook_secret=SECRET,
)


async def test_a_number_comes_back_as_it_was_kept() -> None:
    async with open_store() as store:
        await store.numbers.put(KEPT)
        await store.numbers.put(KEPT)
        assert list(await store.numbers.list()) == [KEPT]
        assert await store.numbers.remove(NUMBER) and not await store.numbers.remove(NUMBER)


async def test_a_secret_that_no_key_opens_is_drift_and_not_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_store() as store:
        await store.numbers.put(KEPT)
    monkeypatch.setenv("TOKEN_SECRET", "another-secret-of-the-tests-32-and-more")
    async with open_store() as store:
        [found] = await store.numbers.list()
        assert found.webhook_secret is None and found.webhook_url == KEPT.webhook_url


async def test_what_no_number_can_be_is_refused_in_words() -> None:
    async with open_store() as store:
        with pytest.raises(TrunkError, match="does not take it") as refused:
            await store.numbers.put(KeptNumber(name="+1415", deployment="tel", agent="default"))
        assert refused.value.code == "refused"


def test_the_document_for_programs_names_each_part(tmp_path: Path) -> None:
    planned = json.loads(dialer("trunks", "plan", "--json")[1])
    [number] = [step for step in planned["steps"] if step["kind"] == "number"]
    assert number["changes"]["hours.fri"] == {"before": None, "after": ["22:00-02:00"]}
    assert number["changes"]["webhook_secret"] == {"before": None, "after": "(secret)"}


def test_a_number_added_by_hand_that_the_file_overflows_to_is_refused_in_either_order() -> None:
    assert dialer("trunks", "apply")[0] == 0
    assert "overflow to this one" in dialer("numbers", "add", "+14155550199")[2]
    Path("trunks.yaml").write_text(FILE.replace("+14155550199", BY_HAND), encoding="utf-8")
    assert dialer("numbers", "add", BY_HAND)[0] == 0
    status, out, err = dialer("trunks", "apply")
    assert status == 4 and "is answered here as well" in out + err


def test_what_overflows_to_what_may_change_within_a_file() -> None:
    both = FILE.replace("numbers:\n", f'numbers:\n  "{BY_HAND}": {{trunk: main, route: sales}}\n')
    both += "inbound_routes: {sales: {agent: default}}\n"
    Path("trunks.yaml").write_text(both, encoding="utf-8")
    assert dialer("trunks", "apply")[0] == 0
    Path("trunks.yaml").write_text(FILE.replace("+14155550199", BY_HAND), encoding="utf-8")
    assert dialer("trunks", "apply", "--yes")[0] == 0 and dialer("trunks", "verify")[0] == 0
