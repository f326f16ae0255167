"""`dialer trunks doctor`, as an operator meets it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from tests.kit.far_end import FakeAdapter, FarEnd
from tests.kit.kept_trunks import KeptTrunks
from tests.unit.trunks.doctoring import subject
from trunks import carriers
from trunks.cli import app
from trunks.desired import LiveKit
from trunks.doctor import wire
from trunks.doctor.calling import Outcome, Phone
from trunks.doctor.provided import ProvidedToDoctor
from trunks.doctor.subject import Subject
from trunks.errors import TrunkError
from trunks.resources import Found

FILE = """\
version: 1
deployment: acme
carriers:
  main: {kind: generic}
trunks:
  main:
    carrier: main
    address: 127.0.0.1:PORT
    transport: tcp
    outbound: {}
numbers:
  "+14155550190": {trunk: main}
"""
NUMBER = "+14155550190"
THERE: list[Found] = []
AWAY: list[TrunkError] = []


class FakeLiveKit(FakeAdapter):
    """An adapter as the table builds LiveKit's."""

    def __init__(self, *, livekit: Any, deployment: str, agent_name: str) -> None:
        super().__init__(FarEnd(), place="livekit", deployment=deployment)

    async def found(self) -> Sequence[Found]:
        """List what the test put there."""
        if AWAY:
            raise AWAY[0]
        return list(THERE)


@pytest.fixture(autouse=True)
def _operator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    for name, value in {
        "LIVEKIT_URL": "ws://127.0.0.1:7880",
        "LIVEKIT_API_KEY": "devkey",
        "LIVEKIT_API_SECRET": "secret-of-livekit",
        "TRUNKS_FILE": "trunks.yaml",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DEPLOYMENT", raising=False)
    monkeypatch.setattr(carriers, "LIVEKIT", (__name__, "FakeLiveKit"))
    monkeypatch.setattr(wire, "PATIENCE", 0.5)
    monkeypatch.chdir(tmp_path)
    # Nobody listens there.
    Path("trunks.yaml").write_text(FILE.replace("PORT", "1"), encoding="utf-8")
    yield
    THERE.clear()
    AWAY.clear()


class Answering:
    """A phone whose calls are answered, and come back."""

    async def call(self, trunk_id: str, number: str, *, caller: str) -> Outcome:
        """Answer."""
        return Outcome(answered=True, packets=50, loud=True, echoed=True)


def gateway(*subjects: Subject) -> ProvidedToDoctor:
    async def listed() -> Sequence[Subject]:
        return subjects

    @asynccontextmanager
    async def phone(_: LiveKit) -> AsyncGenerator[Phone]:
        yield Answering()

    livekit = LiveKit(url="ws://127.0.0.1:7880", api_key="k", api_secret=SecretStr("s"))
    return ProvidedToDoctor(
        KeptTrunks().opened, subjects=listed, livekit=lambda: livekit, phone=phone
    )


def doctor(*arguments: str, provided: ProvidedToDoctor | None = None) -> tuple[int, str, str]:
    versions = ("--bridge-version", "1.9.0", "--server-version", "1.13.5")
    result = CliRunner().invoke(app, ["doctor", *arguments, *versions], obj=provided)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def outbound(**fields: Any) -> Found:
    values = {
        "address": "127.0.0.1:1",
        "transport": "tcp",
        "username": "",
        "password": "",
        "encryption": "disable",
        "numbers": (NUMBER,),
    }
    return Found(None, "ST_1", {**values, **fields}, label="acme/main", kind="outbound_trunk")


def test_each_part_is_told_with_what_to_do_and_the_status_says_that_something_is_wrong() -> None:
    status, out, _ = doctor("main")
    assert status == 3
    assert "sip over tcp: port 1" in out
    assert "Do: Compare port and transport" in out
    assert "LiveKit has no outbound trunk acme/main" in out
    assert "Upstream: https://github.com/livekit/livekit/issues/3545" in out


def test_json_is_one_document_with_causes() -> None:
    THERE.append(outbound())
    status, out, _ = doctor("main", "--json")
    document = json.loads(out)
    by_part = {one["part"]: one for one in document["findings"]}
    assert (status, document["trunk"]) == (3, "main")
    assert by_part["sip over tcp"]["cause"] == "nobody_listens"
    assert by_part["sip over tcp"]["fix"] and by_part["sip over tcp"]["settings"]
    assert by_part["livekit trunk"]["verdict"] == "ok"


def test_a_trunk_that_only_the_gateway_has_is_found_there() -> None:
    kept = subject(1, name="outbound", livekit_name="tel-outbound", origin="the settings")
    status, out, _ = doctor("outbound", provided=gateway(kept))
    assert status == 3 and "tel-outbound" in out


def test_a_trunk_that_nobody_has_is_told_with_the_closest_name() -> None:
    status, _, err = doctor("mian", provided=gateway())
    assert status == 2 and "Did you mean main?" in err


def test_a_call_is_placed_only_when_it_is_asked_for() -> None:
    THERE.append(outbound())
    assert "call: answered" not in doctor("main", provided=gateway())[1]
    status, out, _ = doctor("main", "--call", "+14155550130", "--echo", provided=gateway())
    assert "call: answered" in out and "both ways are open" in out
    assert status == 3, "the closed port is still told"


def test_without_the_gateway_nothing_can_be_called() -> None:
    status, _, err = doctor("main", "--call", "+14155550130")
    assert status == 2 and "need the gateway" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--number", "12"),
        ("--call", "tel:abc"),
        ("--from-address", "example.com"),
    ],
)
def test_what_is_no_number_or_no_address_is_refused_at_once(arguments: tuple[str, str]) -> None:
    assert doctor("main", *arguments, provided=gateway())[0] == 2


def test_a_livekit_that_is_away_is_told_and_the_rest_all_the_same() -> None:
    AWAY.append(TrunkError("credentials_refused", "LiveKit does not take the key.", "Check it."))
    status, out, _ = doctor("main")
    assert status == 3
    assert "livekit: LiveKit does not take the key. Check it." in out
    assert "sip over tcp" in out


def test_a_file_that_is_wrong_is_told_with_its_lines() -> None:
    Path("trunks.yaml").write_text("version: 2\n", encoding="utf-8")
    status, _, err = doctor("main")
    assert status == 2 and "trunks.yaml:1" in err
