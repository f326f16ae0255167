"""`dialer trunks`, as an operator meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dialer import cli as dialer
from tests.kit.far_end import FakeAdapter, Thing
from tests.kit.kept_trunks import KeptTrunks
from tests.unit.trunks import far_ends
from tests.unit.trunks.far_ends import BUILT, CARRIER, LIVEKIT, FakeLiveKit, FakeSeller
from trunks import carriers
from trunks.cli import app
from trunks.errors import TrunkError
from trunks.gateway import Provided
from trunks.resources import Found

run = CliRunner()

FILE = """\
version: 1
deployment: acme
carriers:
  main: {kind: twilio, account_sid: AC1, auth_token: "${TOKEN}"}
trunks:
  main:
    carrier: main
    domain: acme-main
    outbound: {}
numbers:
  "+14155550100": {trunk: main}
"""

ENVIRONMENT = {
    "TOKEN": "token-of-the-carrier",
    "LIVEKIT_URL": "ws://127.0.0.1:7880",
    "LIVEKIT_API_KEY": "devkey",
    "LIVEKIT_API_SECRET": "secret-of-livekit",
    "TRUNKS_FILE": "trunks.yaml",
    "COLUMNS": "200",
}


@pytest.fixture
def _seller(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(carriers, "ADAPTERS", {"twilio": (far_ends.__name__, "FakeSeller")})
    yield
    FakeSeller.sold.clear()
    FakeSeller.lost.clear()


@pytest.fixture(autouse=True)
def _operator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DEPLOYMENT", raising=False)
    monkeypatch.setattr(carriers, "ADAPTERS", {"twilio": (far_ends.__name__, "FakeCarrier")})
    monkeypatch.setattr(carriers, "LIVEKIT", (far_ends.__name__, "FakeLiveKit"))
    monkeypatch.setattr("trunks.destroy.SETTLED", 0.0)
    monkeypatch.chdir(tmp_path)
    Path("trunks.yaml").write_text(FILE, encoding="utf-8")
    yield
    CARRIER.things.clear()
    LIVEKIT.things.clear()
    BUILT.clear()


def rewrite(right: str, wrong: str) -> None:
    Path("trunks.yaml").write_text(FILE.replace(right, wrong), encoding="utf-8")


def trunks(
    *arguments: str, answer: str | None = None, store: KeptTrunks | None = None
) -> tuple[int, str, str]:
    provided = None if store is None else Provided(store.opened)
    result = run.invoke(app, arguments, input=answer, obj=provided)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_plan_shows_what_would_be_made_and_makes_nothing() -> None:
    status, out, _ = trunks("plan")
    assert status == 3
    assert "+ twilio:main trunk acme/main" in out
    assert "3 to create; 0 as the file wants them." in out
    assert CARRIER.things == {} and LIVEKIT.things == {}


def test_apply_makes_it_so_and_the_next_has_nothing_to_do() -> None:
    status, out, err = trunks("apply")
    assert (status, "3 done, 0 failed, 0 skipped." in out) == (0, True)
    assert "✓ create twilio:main number acme/+14155550100" in err
    assert trunks("plan")[0] == 0
    assert trunks("apply")[0] == 0
    assert len(CARRIER.things) == 2 and len(LIVEKIT.things) == 1


def test_each_place_is_listed_once_for_a_plan() -> None:
    trunks("plan")
    assert [adapter.calls for adapter in BUILT] == [["list"], ["list"]]


def test_drift_is_told_in_words() -> None:
    trunks("apply")
    assert trunks("verify")[:2] == (0, "All is as the file wants it.\n")
    next(iter(LIVEKIT.things.values())).fields["transport"] = "tcp"
    status, out, _ = trunks("verify")
    assert status == 3
    assert out == "livekit outbound_trunk acme/main: transport is tcp, and should be udp.\n"
    assert trunks("apply")[0] == 0 and trunks("verify")[0] == 0


def test_the_documents_for_programs_are_json_and_nothing_else() -> None:
    status, out, _ = trunks("plan", "--json")
    planned = json.loads(out)
    assert (status, planned["kept"], len(planned["steps"])) == (3, 0, 3)
    assert planned["steps"][0]["changes"]["domain"] == {"before": None, "after": "acme-main"}
    applied = json.loads(trunks("apply", "--json")[1])
    assert [one["outcome"] for one in applied["results"]] == ["done"] * 3
    assert json.loads(trunks("verify", "--json")[1])["drift"] == []


def test_nothing_is_deleted_without_an_answer() -> None:
    trunks("apply")
    rewrite("numbers:\n", 'numbers:\n  "+14155550101": {trunk: main}\n')
    trunks("apply")
    Path("trunks.yaml").write_text(FILE, encoding="utf-8")
    for answer in (None, "n\n"):
        status, _, err = trunks("apply", answer=answer)
        assert status == 3 and "nothing was changed" in err
        assert len(CARRIER.things) == 3
    assert trunks("apply", answer="y\n")[0] == 0
    assert len(CARRIER.things) == 2


def test_destroying_asks_and_then_leaves_what_is_not_ours() -> None:
    trunks("apply")
    CARRIER.add(Thing("trunk", "by hand", {}, {}))
    status, out, err = trunks("destroy", answer="n\n")
    assert status == 3 and "- twilio:main trunk acme/main" in out
    assert "Delete all 3 of acme?" in err and len(CARRIER.things) == 3
    assert trunks("destroy", "--yes")[0] == 0
    assert [thing.name for thing in CARRIER.things.values()] == ["by hand"]
    assert LIVEKIT.things == {}
    assert trunks("destroy")[0] == 0, "nothing left, nothing asked"


def test_what_exists_is_adopted_after_an_answer() -> None:
    CARRIER.add(Thing("trunk", "by hand", {"cnam": True}, {}, frozenset({"domain:acme-main"})))
    CARRIER.add(Thing("trunk", "of others", {}, {}))
    assert trunks("apply")[0] == 4, "it is in the way"
    status, out, _ = trunks("import", answer="n\n")
    assert status == 3
    assert "= twilio:main trunk acme/main" in out and "name: by hand → acme/main" in out
    assert "of others" in out and "left alone" in out
    assert trunks("import", "--yes")[0] == 0
    assert sorted(thing.name for thing in CARRIER.things.values()) == ["acme/main", "of others"]
    assert trunks("apply")[0] == 0
    assert trunks("import")[0] == 0


def test_what_cannot_be_told_is_named() -> None:
    id = CARRIER.add(Thing("trunk", "by hand", {}, {}))
    assert trunks("import", "trunk/main")[0] == 2
    assert trunks("import", f"trunk/nothing={id}")[0] == 2
    assert trunks("import", f"trunk/main={id}", "--yes")[0] == 0
    assert CARRIER.things[id].name == "acme/main"


def test_an_id_tells_whether_the_carriers_or_the_gateways_own_is_meant() -> None:
    store = KeptTrunks()
    id = CARRIER.add(Thing("trunk", "by hand", {}, {}))
    assert trunks("import", f"trunk/main={id}", "--yes", store=store)[0] == 0
    assert CARRIER.things[id].name == "acme/main" and store.kept == {}


def test_a_wrong_file_is_told_by_its_lines_before_anything_is_asked() -> None:
    rewrite("domain: acme-main", "domain: Acme")
    status, out, err = trunks("apply")
    assert (status, out, BUILT) == (2, "", [])
    assert "trunks.yaml:8:13: trunks.main.domain:" in err and "(not_a_domain)" in err
    told = json.loads(trunks("plan", "--json")[1])
    assert [(one["line"], one["code"]) for one in told["faults"]] == [(8, "not_a_domain")]


def test_a_carrier_has_rules_of_its_own_and_they_have_lines_too() -> None:
    rewrite("outbound: {}", "outbound: {}\n    cnam: true")
    status, _, err = trunks("plan")
    assert status == 2 and "trunks.yaml:10:11: trunks.main.cnam: There is no CNAM here." in err


def test_a_carrier_that_nobody_speaks_for_is_said_to_be_so() -> None:
    rewrite(
        'kind: twilio, account_sid: AC1, auth_token: "${TOKEN}"', "kind: wavix, api_key: '${TOKEN}'"
    )
    status, _, err = trunks("plan")
    assert status == 2
    assert "trunks.yaml:4:16: carriers.main.kind: wavix is not supported yet" in err


def test_the_file_and_the_deployment_can_be_named_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("trunks.yaml").rename("other.yaml")
    assert trunks("plan")[0] == 2
    assert trunks("plan", "--file", "other.yaml")[0] == 3
    text = Path("other.yaml").read_text(encoding="utf-8").replace("deployment: acme\n", "")
    Path("other.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DEPLOYMENT", "prod")
    monkeypatch.delenv("TOKEN")
    Path(".env").write_text("TOKEN=from-the-file\n", encoding="utf-8")
    assert "trunk prod/main" in trunks("plan", "-f", "other.yaml")[1]


def _answers(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    async def found(self: FakeAdapter) -> list[Any]:
        raise error

    monkeypatch.setattr(FakeLiveKit, "found", found)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TrunkError("credentials_refused", "Not these.", "Set others."), 4),
        (TrunkError("rate_limited", "Too many.", "Wait.", retryable=True, retry_after=9e9), 5),
    ],
)
def test_what_a_far_end_refuses_is_a_status_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: TrunkError, status: int
) -> None:
    _answers(monkeypatch, error)
    assert trunks("plan")[0] == status
    _, out, err = trunks("verify", "--json")
    assert json.loads(out)["error"]["code"] == error.code
    assert error.message in err and error.fix in err


def test_an_interrupted_run_says_that_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _answers(monkeypatch, KeyboardInterrupt())
    status, _, err = trunks("apply")
    assert status == 130 and "goes on where it was" in err


def test_no_secret_is_printed() -> None:
    for command in ("plan", "apply", "verify"):
        for options in ([], ["--json"]):
            _, out, err = trunks(command, *options)
            assert "token-of-the-carrier" not in out + err
            assert "secret-of-livekit" not in out + err


@pytest.mark.usefixtures("_seller")
def test_numbers_are_searched_and_nothing_is_bought() -> None:
    status, out, _ = trunks("numbers", "search", "--country", "US", "--area-code", "415")
    assert status == 0 and "+14155550177" in out and "San Francisco" in out
    status, out, _ = trunks("numbers", "search", "--country", "SE", "--json")
    assert (status, json.loads(out)) == (0, {"numbers": []})
    assert FakeSeller.sold == []


@pytest.mark.usefixtures("_seller")
def test_a_number_is_bought_only_after_an_answer_and_only_once() -> None:
    assert trunks("numbers", "buy", "415")[0] == 2
    status, _, err = trunks("numbers", "buy", "+14155550177", answer="n\n")
    assert (status, FakeSeller.sold) == (3, []) and "It costs money" in err
    FakeSeller.lost.append(TrunkError("timeout", "No answer.", retryable=True, retry_after=0.01))
    status, out, _ = trunks("numbers", "buy", "+1 415 555 0177", "--yes", "--json")
    assert (status, json.loads(out)) == (0, {"phone_number": "+14155550177", "id": "PN1"})
    assert FakeSeller.sold == ["+14155550177"]


@pytest.mark.usefixtures("_seller")
def test_where_to_buy_is_said_where_it_cannot_be_told() -> None:
    assert trunks("numbers", "buy", "+14155550177", "--yes", "--carrier", "main")[0] == 0
    assert trunks("numbers", "buy", "+14155550177", "--yes", "--carrier", "other")[0] == 2


def test_a_carrier_that_sells_nothing_is_told_so() -> None:
    status, _, err = trunks("numbers", "search", "--country", "US")
    assert status == 2 and "sells us numbers" in err


@pytest.mark.usefixtures("_seller")
def test_what_only_a_person_can_mend_is_remarked_and_is_no_drift() -> None:
    trunks("apply")
    status, out, err = trunks("verify")
    assert (status, out) == (0, "All is as the file wants it.\n")
    assert "trunks.yaml:4:3: warning: carriers.main: It is a trial account." in err
    told = json.loads(trunks("verify", "--json")[1])
    assert [remark["path"] for remark in told["remarks"]] == ["carriers.main"]


def test_the_gateway_is_one_of_the_places_where_it_hands_over_its_store() -> None:
    store = KeptTrunks()
    assert trunks("apply", store=store)[0] == 0
    assert list(store.kept) == ["main"] and not store.is_open
    assert store.kept["main"].address == "acme-main.pstn.twilio.com"
    assert trunks("verify", store=store)[0] == 0
    store.kept.clear()
    assert trunks("verify", store=store)[1] == "gateway trunk acme/main is missing.\n"
    trunks("apply", store=store)
    # Its row goes first: the gateway would make LiveKit's trunk anew as long as it is there.
    gone = json.loads(trunks("destroy", "--yes", "--json", store=store)[1])["results"]
    assert [one["place"] for one in gone] == ["gateway", "livekit", "twilio:main", "twilio:main"]
    assert store.kept == {}


def test_what_a_dialer_makes_anew_while_all_is_destroyed_goes_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trunks("apply")
    (made,) = LIVEKIT.things.values()
    delete, again = FakeLiveKit.delete, [made]

    async def deleted(adapter: FakeLiveKit, found: Found) -> None:
        await delete(adapter, found)
        if again:
            LIVEKIT.add(again.pop())

    monkeypatch.setattr(FakeLiveKit, "delete", deleted)
    status, out, _ = trunks("destroy", "--yes", "--json")
    assert status == 0 and LIVEKIT.things == {}
    places = [one["place"] for one in json.loads(out)["results"]]
    assert places.count("livekit") == 2


def test_where_nobody_answers_there_is_still_the_document() -> None:
    trunks("apply")
    status, out, _ = trunks("destroy", "--json")
    assert (status, len(json.loads(out)["steps"])) == (3, 3)


def test_the_commands_are_reached_from_the_gateways_own() -> None:
    told = run.invoke(dialer.app, ["trunks", "--help"]).stdout
    assert all(command in told for command in ("plan", "apply", "verify", "destroy", "import"))
