"""The command line, as far as it goes without a running stack."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from dialer import doctor, follow
from dialer.cli import app
from dialer.routing.sealing import Sealing
from dialer.settings import ClientSettings, Settings

SECRETS = {
    "TOKEN_SECRET": "token-secret-of-the-tests-32-and-more",
    "DATABASE_URL": "sqlite:///cli.db",
}
run = CliRunner()


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    for kind in (Settings, ClientSettings):
        for name in kind.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def test_keys_are_made_listed_and_revoked() -> None:
    assert run.invoke(app, ["keys", "create"]).exit_code == 1, "no tables yet"
    assert run.invoke(app, ["migrate"]).exit_code == 0
    made = run.invoke(app, ["keys", "create", "--name", "ci", "--days", "3"])
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert secret.startswith("tk_") and "\n" not in secret
    listed = run.invoke(app, ["keys", "list"], env={"COLUMNS": "80"}).stdout
    assert "ci" in listed and secret not in listed
    [key_id] = [word for word in listed.split() if word.startswith("key_")]
    assert run.invoke(app, ["keys", "revoke", key_id]).exit_code == 0
    assert run.invoke(app, ["keys", "revoke", "key_nothing"]).exit_code == 1
    assert run.invoke(app, ["keys", "create", "--tenant", "nobody"]).exit_code == 1


def test_the_switch_between_livekits_stays_with_who_turned_it() -> None:
    assert run.invoke(app, ["migrate"]).exit_code == 0
    assert "own LiveKit, and to the fallback" in run.invoke(app, ["livekit", "show"]).stdout
    for where in ("fallback", "auto", "own"):
        assert run.invoke(app, ["livekit", "use", where]).exit_code == 0
    told = run.invoke(app, ["livekit", "show"], env={"COLUMNS": "120"}).stdout
    assert "own LiveKit in any case" in told
    turned = [word for word in told.split() if word in ("own", "auto", "fallback")]
    assert turned[-3:] == ["own", "auto", "fallback"] and told.count("@") == 3
    assert run.invoke(app, ["livekit", "use", "another"]).exit_code == 2


def test_a_sign_in_link_and_a_worker_token_are_printed_alone() -> None:
    link = run.invoke(app, ["console-link"]).stdout
    assert link.startswith("http://127.0.0.1:8000/console/login?token=")
    assert run.invoke(app, ["worker-token", "w1"]).stdout.count(".") == 2


def test_calling_without_knowing_where_says_what_to_set() -> None:
    told = run.invoke(app, ["call", "+14155550100"])
    assert told.exit_code == 2
    assert "DIALER_URL" in told.stderr and "dialer up" in told.stderr


def test_an_api_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".sandbox").mkdir()
    found = {"api_url": "http://127.0.0.1:1", "api_key": "tk_x"}
    (tmp_path / ".sandbox" / "sandbox.json").write_text(json.dumps(found))
    told = run.invoke(app, ["calls"])
    assert told.exit_code == 1
    assert "cannot be reached" in told.stderr


def test_following_resumes_where_the_connection_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def event(sequence: int, kind: str) -> str:
        body = {"sequence": sequence, "type": kind, "data": {"x": 1}}
        return f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(body)}\n\n"

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["last-event-id"])
        if len(asked) == 2:
            raise httpx.ConnectError("away")
        first = len(asked) == 1

        def lines() -> object:
            yield event(1 if first else 2, "call.queued").encode()
            if first:
                raise httpx.ReadError("broken")

        return httpx.Response(200, content=lines())  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(follow.time, "sleep", lambda _: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://x") as client:
        told = [event["sequence"] for event in follow.events(client, "/events")]
    assert told == [1, 2]
    assert asked == ["0", "1", "1"]


def test_the_doctor_names_everything_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings.model_validate(
        {
            "token_secret": "token-secret-of-the-tests-32-and-more",
            "redis_url": "redis://127.0.0.1:1/0",
            "livekit_url": "ws://127.0.0.1:1",
            "livekit_api_key": "k",
            "livekit_api_secret": "livekit-secret-of-the-tests-32-and-more",
            "database_url": f"sqlite:///{tmp_path}/none.db",
            "agents_file": "nowhere.yaml",
            "api_port": 0,
        }
    )
    monkeypatch.setattr(doctor, "module_version", lambda _: (1, 6, 0))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(doctor.shutil, "which", lambda _: str(tmp_path / "server"))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    (tmp_path / "server").touch()
    console = Console(record=True, width=200)
    assert doctor.examine(settings, console) == 1
    told = console.export_text()
    for said in (
        "livekit-sip: 1.6.0 is too old",
        "nowhere.yaml",
        "run dialer migrate",
        "redis: cannot be reached",
        "livekit: cannot be reached",
        "SIP_TRUNK_ADDRESS is not set",
        "example.pstn.twilio.com",
        "is not running",
    ):
        assert said in told


def test_our_own_numbers_are_added_changed_listed_and_removed(tmp_path: Path) -> None:
    assert run.invoke(app, ["migrate"]).exit_code == 0
    hours = tmp_path / "hours.json"
    hours.write_text(json.dumps({"time_zone": "UTC", "weekly": {"mon": ["09:00-17:00"]}}))
    number = "+14155550190"
    added = run.invoke(app, ["numbers", "add", number, "--hours", str(hours)])
    assert added.exit_code == 0 and "in its hours" in added.stdout
    changed = run.invoke(app, ["numbers", "add", number, "--block", "anonymous", "--disabled"])
    assert changed.exit_code == 0 and "switched off" in changed.stdout
    listed = run.invoke(app, ["numbers", "list"]).stdout
    assert listed.count(number) == 1 and "switched off" in listed
    assert run.invoke(app, ["numbers", "remove", number]).exit_code == 0
    assert run.invoke(app, ["numbers", "remove", number]).exit_code == 1
    assert number not in run.invoke(app, ["numbers", "list"]).stdout


def test_the_secret_of_a_numbers_webhook_is_kept_sealed(tmp_path: Path) -> None:
    assert run.invoke(app, ["migrate"]).exit_code == 0
    secret, number = "0123456789abcdef0123456789abcdef", "+14155550190"
    given = tmp_path / "secret"
    given.write_text(secret + "\n")
    url = "https://crm.example.com/who"
    wanted = ["numbers", "add", number, "--overflow", "+14155550123", "--webhook-url", url]
    env = {"WHO": secret}
    for how in (["--webhook-secret-file", str(given)], ["--webhook-secret-env", "WHO"]):
        added = run.invoke(app, [*wanted, *how], env=env)
        assert added.exit_code == 0, added.output
        assert "webhook" in added.stdout and "+14155550123" in added.stdout
        assert secret not in added.output
    with sqlite3.connect(tmp_path / "cli.db") as database:
        ((kept, sealed),) = database.execute(
            "SELECT webhook_url, webhook_secret_sealed FROM inbound_numbers"
        )
    assert kept == url and sealed and secret not in sealed
    assert Sealing([SECRETS["TOKEN_SECRET"]]).open(sealed) == secret
    given.write_text("short")
    for wrong in (
        ["--webhook-secret-file", str(given)],
        ["--webhook-secret-env", "NOT_THERE"],
        [],
    ):
        told = run.invoke(app, [*wanted, *wrong], env=env)
        assert told.exit_code == 2 and "Traceback" not in told.output, told.output


def test_a_number_that_cannot_be_kept_is_one_sentence(tmp_path: Path) -> None:
    hours = tmp_path / "hours.json"
    hours.write_text(json.dumps({"time_zone": "Mars/Olympus", "weekly": {}}))
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for arguments in (
        ["+1555"],
        ["+14155550190", "--block", "nobody"],
        ["+14155550190", "--hours", str(hours)],
        ["+14155550190", "--hours", str(broken)],
        ["+14155550190", "--webhook-url", "https://user:pass@example.com/"],
    ):
        told = run.invoke(app, ["numbers", "add", *arguments])
        assert told.exit_code == 2, told.output
        assert told.stderr.strip() and "Traceback" not in told.output


def test_an_overflow_number_that_would_bring_the_call_back_is_refused() -> None:
    assert run.invoke(app, ["migrate"]).exit_code == 0
    first, second, human = "+14155550190", "+14155550191", "+14155550123"

    def added(*arguments: str) -> str:
        """Give what was complained of; empty where the number is kept."""
        told = run.invoke(app, ["numbers", "add", *arguments])
        assert (told.exit_code == 0) == (told.stderr == ""), told.output
        return told.stderr

    assert "is the number itself" in added(first, "--overflow", first)
    assert added(first, "--overflow", human) == ""
    assert "is answered here as well" in added(second, "--overflow", first)
    assert "overflow to this one" in added(human)
    # One that takes no calls leads nobody in circles, until it is switched on.
    assert added(human, "--disabled") == "" and added(first, "--overflow", human) == ""
    assert "overflow to this one" in added(human)
