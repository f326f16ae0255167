"""What every carrier's adapter does alike, over stand-ins that remember what they were told."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.kit.carrier_runs import CASES, HOSTS, Case, Runs
from tests.kit.carrier_standin import RETRY_AFTER, Fault, Json, Killed, RecordStandin, Standin
from tests.kit.trunk_files import NUMBER, OTHER_NUMBER, PASSWORD, desired
from trunks.accounts import Generic
from trunks.apply import Outcome
from trunks.errors import TrunkError
from trunks.generic import GenericTrunk
from trunks.steps import Action


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def standin(case: Case) -> Standin:
    """Give an account with the numbers of the file and one more."""
    return case.standin(NUMBER, OTHER_NUMBER, "+14155550102")


@pytest.fixture
def runs(case: Case, standin: Standin) -> Runs:
    return Runs(case, standin)


def recording(standin: Standin) -> RecordStandin:
    """Give the stand-in of a carrier whose records the test looks into."""
    assert isinstance(standin, RecordStandin)
    return standin


async def undisturbed(case: Case) -> Runs:
    """Give what a run without any trouble leaves behind."""
    quiet = Runs(case, case.standin(NUMBER, OTHER_NUMBER, "+14155550102"))
    assert all(result.outcome is Outcome.DONE for result in await quiet.apply())
    return quiet


async def test_applying_twice_writes_nothing_the_second_time(runs: Runs) -> None:
    results = await runs.apply()
    assert results and all(result.outcome is Outcome.DONE for result in results)
    written, state = runs.standin.writes, runs.standin.state()
    assert written >= len(results)
    assert await runs.apply() == []
    assert (runs.standin.writes, runs.standin.state()) == (written, state)


@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER])
async def test_killed_at_any_request_the_next_run_ends_in_the_same_state(
    case: Case, fault: Fault
) -> None:
    quiet = await undisturbed(case)
    for moment in range(len(quiet.standin.requests)):
        runs = Runs(case, case.standin(NUMBER, OTHER_NUMBER, "+14155550102"))
        runs.standin.faults = {moment: fault}
        with pytest.raises(Killed):
            await runs.apply()
        await runs.apply()
        assert runs.standin.state() == quiet.standin.state(), quiet.standin.requests[moment]


@pytest.mark.parametrize(
    "fault",
    [Fault.NO_CONNECTION, Fault.LOST_ANSWER, Fault.BUSY, Fault.BROKEN, Fault.BROKEN_AFTER],
)
async def test_a_request_that_fails_for_a_moment_is_made_good_in_the_same_run(
    case: Case, fault: Fault
) -> None:
    quiet = await undisturbed(case)
    for moment in range(len(quiet.standin.requests)):
        runs = Runs(case, case.standin(NUMBER, OTHER_NUMBER, "+14155550102"))
        runs.standin.faults = {moment: fault}
        results = await runs.apply()
        assert all(result.outcome is Outcome.DONE for result in results)
        assert runs.standin.state() == quiet.standin.state(), quiet.standin.requests[moment]
        assert runs.waits and (fault is not Fault.BUSY or runs.waits == [RETRY_AFTER])


async def test_a_carrier_that_stays_away_is_given_up_with_words(runs: Runs) -> None:
    runs.standin.faults = dict.fromkeys(range(100), Fault.NO_CONNECTION)
    with pytest.raises(TrunkError) as given_up:
        await runs.apply()
    assert given_up.value.code == "unreachable" and given_up.value.fix
    assert runs.standin.writes == 0


async def test_wrong_credentials_change_nothing_and_are_told_with_their_place(
    case: Case, standin: Standin
) -> None:
    runs = Runs(Case(case.standin, case.build, case.wrong, case.wrong), standin)
    with pytest.raises(TrunkError) as refused:
        await runs.apply()
    assert refused.value.code == "credentials_refused" and not refused.value.retryable
    assert "carriers.main." in refused.value.fix
    assert (len(standin.requests), standin.writes) == (1, 0)


async def test_an_answer_of_another_shape_is_told_and_nothing_is_done(
    case: Case, standin: Standin
) -> None:
    recording(standin).handle = _surprising
    runs = Runs(case, standin)
    with pytest.raises(TrunkError) as odd:
        await runs.apply()
    assert odd.value.code == "carrier_error" and "documentation" in odd.value.message
    assert standin.writes == 0


@pytest.mark.parametrize(
    "change",
    [
        ("trunks/main/inbound/deliver_to", [{"url": "sip:sip-3.example.com:5070"}]),
        ("trunks/main/inbound/deliver_to", [{"url": f"sip:{HOSTS[0]}:5060"}]),
        ("trunks/main/encryption", "require"),
        ("trunks/main/outbound/username", "another"),
        ("trunks/main/outbound", None),
    ],
    ids=lambda change: change[0],
)
async def test_a_change_of_the_file_is_made_and_then_nothing_is_left(
    case: Case, runs: Runs, change: tuple[str, Any]
) -> None:
    changes = [change]
    if change[0].endswith("encryption") and case is CASES["plivo"]:
        # There signalling and media are encrypted together.
        changes += [("trunks/main/transport", "tls")]
    await runs.apply()
    before = runs.standin.state()
    results = await runs.apply(*changes)
    assert all(result.outcome is Outcome.DONE for result in results)
    assert await runs.pending(*changes) == []
    told = change != ("trunks/main/outbound/username", "another") or case is not CASES["wavix"]
    assert (runs.standin.state() != before) == told, "Wavix chooses the login itself"


async def test_what_somebody_changed_by_hand_is_mended(runs: Runs) -> None:
    await runs.apply()
    state = runs.standin.state()
    spoilt = {
        "fqdn_connections": {"active": False, "transport_protocol": "TLS"},
        "uris": {"uri": "elsewhere.example.com"},
        "trunks": {"trunk_status": "disabled", "encrypted_media": True},
    }
    for collection, fields in spoilt.items():
        for record in recording(runs.standin).records.get(collection, {}).values():
            record |= {name: value for name, value in fields.items() if name in record}
    assert runs.standin.state() != state
    assert {action for action, _ in await runs.pending()} == {Action.UPDATE}
    await runs.apply()
    assert runs.standin.state() == state


async def test_what_is_not_ours_is_never_touched(runs: Runs) -> None:
    theirs = {
        "outbound_voice_profiles": {"name": "theirs", "enabled": True},
        "fqdn_connections": {"connection_name": "other/main", "active": True},
        "credentials": {"name": "theirs", "username": "theirs"},
        "uris": {"name": "other/main/primary_uri", "uri": "pbx.example.org"},
        "trunks": {
            "name": "theirs",
            "label": "theirs",
            "trunk_direction": "inbound",
            "callerid": "1",
            "multiple_numbers": False,
            "password": "",
        },
    }
    added = [
        (collection, recording(runs.standin).add(collection, dict(record)))
        for collection, record in theirs.items()
        if collection in recording(runs.standin).records
    ]
    before = {id: dict(recording(runs.standin).records[collection][id]) for collection, id in added}
    await runs.apply()
    await runs.apply(("trunks/main/inbound", None), ("trunks/main/outbound/username", "another"))
    assert {
        id: recording(runs.standin).records[collection][id] for collection, id in added
    } == before


async def test_a_number_that_somebody_uses_is_not_taken_from_him(
    case: Case, standin: Standin
) -> None:
    standin.route_elsewhere(NUMBER)
    runs = Runs(case, standin)
    results = await runs.apply()
    (taken,) = [result for result in results if result.step.action is Action.CONFLICT]
    assert taken.error is not None and NUMBER in taken.error.message
    assert [result for result in results if result.outcome is Outcome.FAILED] == [taken]


async def test_a_number_that_is_not_in_the_account_is_told(case: Case) -> None:
    runs = Runs(case, case.standin(NUMBER))
    results = await runs.apply()
    (missing,) = [result for result in results if result.outcome is not Outcome.DONE]
    assert missing.error is not None and missing.error.code == "number_not_owned"
    assert OTHER_NUMBER in missing.error.message


async def test_a_number_that_leaves_the_file_keeps_its_way_and_the_operator_is_told(
    runs: Runs,
) -> None:
    await runs.apply()
    state = runs.standin.state()
    results = await runs.apply((f"numbers/{OTHER_NUMBER}", None))
    numbers = [result for result in results if result.step.key.kind == "number"]
    for result in numbers:
        assert result.error is not None and result.error.code == "refused" and result.error.fix
    for collection in ("phone_numbers", "numbers"):
        assert runs.standin.state().get(collection) == state.get(collection)


@pytest.mark.parametrize("left_out", ["the route", "all destinations"])
async def test_at_wavix_a_number_without_a_way_in_the_file_is_left_alone(left_out: str) -> None:
    runs = Runs(CASES["wavix"], CASES["wavix"].standin(NUMBER, OTHER_NUMBER))
    await runs.apply()
    sent = runs.standin.state()["numbers"]
    if left_out == "the route":
        change = (f"numbers/{OTHER_NUMBER}", {"trunk": "main"})
    else:
        change = ("trunks/main/inbound", None)
    results = await runs.apply(change)
    assert not [result for result in results if result.outcome is not Outcome.DONE]
    assert await runs.pending(change) == []
    assert runs.standin.state()["numbers"] == sent


async def test_each_list_is_read_page_by_page_and_once(case: Case) -> None:
    many = [f"+1628555{index:04}" for index in range(300)]
    runs = Runs(case, case.standin(NUMBER, OTHER_NUMBER, *many))
    await runs.apply()
    runs.standin.requests.clear()
    assert await runs.pending() == []
    pages = [path for _, path in runs.standin.requests]
    numbers = [path for path in pages if "umber" in path]
    size = {"telnyx": 250, "plivo": 20, "wavix": 100}[runs.file().carriers["main"].kind]
    assert len(numbers) == -(-302 // size)
    others = [path for path in pages if "umber" not in path]
    assert len(others) == len(set(others))


async def test_a_password_is_in_no_plan_and_no_error(case: Case, standin: Standin) -> None:
    runs = Runs(case, standin)
    kept = recording(standin)
    kept.unknown_fields = lambda body, documented: _told_off(kept, body)
    results = await runs.apply()
    refused = [result for result in results if result.outcome is Outcome.FAILED]
    assert refused
    for result in results:
        assert PASSWORD not in repr(result.step)
        assert PASSWORD not in str(result.error)
    assert any("***" in str(result.error) for result in refused), "it was told, and crossed out"


def _surprising(method: str, path: str, query: dict[str, str], body: Json) -> httpx.Response:
    return httpx.Response(200, json={"api_id": "1", "surprise": [{}]})


def _told_off(standin: RecordStandin, body: dict[str, Any]) -> httpx.Response | None:
    if "password" not in body:
        return None
    words = f"password {body['password']} is too simple"
    return httpx.Response(422, json=standin.refusal(words))


async def test_at_a_far_end_without_an_api_nothing_is_wanted_and_deliveries_are_doubted() -> None:
    wanted = desired()
    adapter = GenericTrunk(carrier_name="main", carrier=Generic(kind="generic"), deployment="acme")
    assert list(adapter.wanted(wanted)) == list(await adapter.found()) == []
    (doubt,) = adapter.check(wanted)
    assert doubt.warning and doubt.path == ("trunks", "main", "inbound", "deliver_to")
