"""Who answers which number: the file's wishes in the gateway's own numbers."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from rich.console import Console

from telephony.opening_hours import Hours
from tests.kit.far_end import Naps
from tests.kit.kept_trunks import KeptTrunks
from tests.kit.trunk_files import NUMBER, OTHER_NUMBER, desired
from trunks.apply import Outcome, Result, apply
from trunks.desired import Desired
from trunks.gateway import About, Gateway
from trunks.importing import adoptions
from trunks.kept import InboundTrunk, KeptNumber
from trunks.looking import look, planned, wanted_by
from trunks.showing import plan_json, show_plan
from trunks.steps import Action, Plan
from trunks.verify import drift

SECRET = "a-secret-that-nobody-is-told"
OFFICE: dict[str, Any] = {
    "time_zone": "America/New_York",
    "weekly": {"mon": ["09:00-17:00"], "fri": ["22:00-02:00"]},
    "holidays": ["2026-12-25"],
}
ROUTE: dict[str, Any] = {
    "agent": "receptionist",
    "hours": "office",
    "closed": {"message": "We are closed."},
    "overflow": "+14155550199",
    "blocked_callers": ["+14155550155", "+1900*", "anonymous"],
    "webhook_url": "https://backend.example.com/agent",
    "webhook_secret": SecretStr(SECRET),
}


def a_file(*changes: tuple[str, Any], **route: Any) -> Desired:
    """Give a file with one number that is answered by everything that a route can say."""
    inbound = {name: value for name, value in {**ROUTE, **route}.items() if value is not None}
    whole = (("hours/office", OFFICE), (f"numbers/{NUMBER}/inbound", inbound))
    return desired(*whole, *changes)


def gateway(store: KeptTrunks, file: Desired, about: About | None = None) -> Gateway:
    return Gateway(store=store, deployment=file.deployment, about=about)


async def plan_of(store: KeptTrunks, file: Desired, **how: Any) -> Plan:
    return await planned(file, [gateway(store, file)], patience=Naps().patience, **how)


async def applied(store: KeptTrunks, file: Desired, **how: Any) -> list[Result]:
    plan = await plan_of(store, file, **how)
    return await apply(plan, [gateway(store, file)], patience=Naps().patience)


async def shown(plan: Plan) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_plan(console, plan)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_a_number_is_kept_with_all_that_becomes_of_a_call_and_then_nothing_is_to_do() -> None:
    store = KeptTrunks()
    await applied(store, a_file())
    assert store.kept_numbers == {
        NUMBER: KeptNumber(
            name=NUMBER,
            deployment="acme",
            agent="receptionist",
            hours=Hours.model_validate(OFFICE),
            closed_message="We are closed.",
            overflow_number="+14155550199",
            blocked_callers=("+14155550155", "+1900*", "anonymous"),
            webhook_url="https://backend.example.com/agent",
            webhook_secret=SECRET,
        )
    }
    assert (await plan_of(store, a_file())).pending == ()


async def test_what_calls_come_in_by_is_kept_too() -> None:
    store = KeptTrunks()
    file = a_file(("livekit/agent_name", "desk"))
    await applied(store, file)
    assert store.kept_inbound == {
        "main": InboundTrunk(
            name="main",
            deployment="acme",
            numbers=(NUMBER,),
            allowed_addresses=("54.172.60.0/30",),
            username="",
            password="",
            encryption="disable",
            agent_name="desk",
        )
    }
    assert (await plan_of(store, file)).pending == ()


async def test_numbers_share_a_route_and_one_without_any_is_not_answered() -> None:
    file = a_file(
        (f"numbers/{NUMBER}", {"trunk": "main", "route": "front"}),
        (f"numbers/{OTHER_NUMBER}", {"trunk": "main", "route": "front"}),
        ("numbers/+14155550102", {"trunk": "main"}),
        ("inbound_routes/front", {"agent": "receptionist"}),
    )
    store = KeptTrunks()
    await applied(store, file)
    assert set(store.kept_numbers) == {NUMBER, OTHER_NUMBER}
    assert [one.hours for one in store.kept_numbers.values()] == [None, None]


async def test_a_change_is_told_part_by_part() -> None:
    store = KeptTrunks()
    await applied(store, a_file())
    later = {**OFFICE, "weekly": {"mon": ["09:00-18:00"], "fri": ["22:00-02:00"]}}
    file = a_file(("hours/office", later), agent="sales", webhook_secret=SecretStr(SECRET[::-1]))
    text = await shown(await plan_of(store, file))
    assert f"~ gateway number acme/{NUMBER}" in text
    assert "agent: receptionist → sales" in text
    assert "hours.mon: 09:00-17:00 → 09:00-18:00" in text
    assert "hours.fri" not in text
    assert SECRET not in text and SECRET[::-1] not in text
    assert SECRET not in str(plan_json(await plan_of(KeptTrunks(), file)))


@pytest.mark.parametrize(
    ("by_hand", "told"),
    [
        ({"agent": "default"}, "agent is default, and should be receptionist."),
        ({"enabled": False}, "enabled is off, and should be on."),
        ({"hours": None}, "hours.mon is nothing, and should be 09:00-17:00."),
        ({"closed_message": None}, "closed_message is nothing, and should be We are closed.."),
        ({"overflow_number": None}, "overflow_number is nothing, and should be +14155550199."),
        (
            {"blocked_callers": ()},
            "blocked_callers is nothing, and should be +14155550155, +1900*, anonymous.",
        ),
        (
            {"webhook_url": None},
            "webhook_url is nothing, and should be https://backend.example.com/agent.",
        ),
        ({"webhook_secret": None}, "webhook_secret is (secret), and should be (secret)."),
    ],
)
async def test_what_was_changed_by_hand_is_drift_and_is_mended(
    by_hand: dict[str, Any], told: str
) -> None:
    store = KeptTrunks()
    await applied(store, a_file())
    before = store.kept_numbers[NUMBER]
    store.kept_numbers[NUMBER] = replace(before, **by_hand)
    assert f"gateway number acme/{NUMBER}: {told}" in drift(await plan_of(store, a_file()))
    await applied(store, a_file())
    assert store.kept_numbers[NUMBER] == before
    del store.kept_numbers[NUMBER]
    assert drift(await plan_of(store, a_file())) == [f"gateway number acme/{NUMBER} is missing."]


async def test_only_what_was_made_by_this_file_is_removed() -> None:
    store = KeptTrunks()
    await applied(store, a_file())
    kept = store.kept_numbers[NUMBER]
    by_hand = replace(kept, name="+14155550111", deployment="")
    of_others = replace(kept, name="+14155550112", deployment="other")
    for one in (by_hand, of_others):
        store.kept_numbers[one.name] = one
    results = await applied(store, a_file((f"numbers/{NUMBER}", {"trunk": "main"})))
    gone = {(one.step.key.kind, one.step.action) for one in results}
    assert gone == {("number", Action.DELETE), ("inbound_trunk", Action.DELETE)}
    assert store.kept_numbers == {one.name: one for one in (by_hand, of_others)}


async def test_a_number_made_by_hand_is_in_the_way_until_it_is_adopted() -> None:
    store = KeptTrunks()
    theirs = KeptNumber(name=NUMBER, deployment="", tenant="clinic", agent="default")
    store.kept_numbers[NUMBER] = theirs
    [conflict] = [one for one in await applied(store, a_file()) if one.step.key.kind == "number"]
    assert conflict.outcome is Outcome.FAILED and conflict.error
    said = str(conflict.error)
    assert f"{NUMBER} (made by `dialer numbers add`, for the tenant clinic) is in the way" in said
    assert "dialer trunks import" in said
    assert store.kept_numbers[NUMBER] == theirs
    places = [gateway(store, a_file())]
    found = await look(places, Naps().patience)
    wanted = wanted_by(a_file(), places)
    for named in ({}, {f"number/{NUMBER}": NUMBER}):
        assert adoptions(wanted, found, named) == {conflict.step.key: NUMBER}
    [adopted] = [
        one
        for one in await applied(store, a_file(), adopting={conflict.step.key: NUMBER})
        if one.step.key.kind == "number"
    ]
    assert adopted.step.action is Action.ADOPT
    assert store.kept_numbers[NUMBER].deployment == "acme"
    assert (await plan_of(store, a_file())).pending == ()


async def test_a_number_of_another_deployments_file_is_in_the_way() -> None:
    store = KeptTrunks()
    await applied(store, a_file(("deployment", "other")))
    conflicts = [one for one in await applied(store, a_file()) if one.error]
    said = [str(one.error) for one in conflicts if one.step.key.kind == "number"]
    assert f"{NUMBER} (of the deployment other) is in the way" in said[0]


def doubts(file: Desired, about: About | None) -> list[tuple[tuple[str | int, ...], str]]:
    found = gateway(KeptTrunks(), file, about).check(file)
    assert all(one.warning for one in found)
    return [(one.path, one.message) for one in found]


def test_an_agent_that_the_gateway_does_not_have_is_doubted_where_it_stands() -> None:
    known = About("acme", frozenset({"receptionist", "default"}))
    assert doubts(a_file(), known) == doubts(a_file(agent="anybody"), None) == []
    [(path, said)] = doubts(a_file(agent="recptionist"), known)
    assert path == ("numbers", NUMBER, "inbound", "agent")
    assert "no recptionist" in said and "Did you mean receptionist?" in said
    shared = a_file(
        (f"numbers/{NUMBER}", {"trunk": "main", "route": "front"}),
        ("inbound_routes/front", {"agent": "sales"}),
    )
    assert [path for path, _ in doubts(shared, known)] == [("inbound_routes", "front", "agent")]
    [(_, said)] = doubts(a_file(), About("acme", None))
    assert "AGENTS_FILE" in said


def test_a_gateway_of_another_name_is_told_as_one_that_answers_nothing() -> None:
    other = About("tel", frozenset({"receptionist"}))
    [(path, said)] = doubts(a_file(), other)
    assert path == ("deployment",) and "DEPLOYMENT is tel" in said
    assert doubts(a_file((f"numbers/{NUMBER}", {"trunk": "main"})), other) == []


def test_a_trunk_of_the_settings_beside_those_of_the_file_is_told() -> None:
    agents = frozenset({"receptionist"})
    beside = About("acme", agents, trunk_of_settings="example.pstn.twilio.com")
    [(path, said)] = doubts(a_file(), beside)
    assert path == ("trunks",) and "SIP_TRUNK_ADDRESS is example.pstn.twilio.com" in said
    assert doubts(a_file(("trunks/main/outbound", None)), beside) == []


async def test_a_file_for_the_fallback_leaves_what_our_own_file_says_of_its_numbers() -> None:
    store, known = KeptTrunks(), About("acme", frozenset({"receptionist"}), fallback="acmefb")
    await applied(store, a_file())
    fallback = a_file(("deployment", "acmefb"))
    assert doubts(fallback, known) == []
    theirs = [gateway(store, fallback, known)]
    assert (await planned(fallback, theirs, patience=Naps().patience)).pending == ()
    assert (await plan_of(store, a_file())).pending == ()
