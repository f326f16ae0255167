"""What is made reaches the gateway's own store, and what is no longer wanted leaves it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from tests.kit.far_end import Naps
from tests.kit.kept_trunks import KeptTrunks
from trunks.apply import Outcome, Result, apply
from trunks.desired import Desired
from trunks.gateway import Gateway
from trunks.kept import KeptTrunk
from trunks.looking import planned
from trunks.steps import Action, Plan
from trunks.verify import drift

NUMBER = "+14155550100"


def a_file(**outbound: Any) -> Desired:
    main = {"carrier": "main", "address": "sip.example.net", "transport": "tcp"}
    return Desired.model_validate(
        {
            "version": 1,
            "deployment": "acme",
            "carriers": {"main": {"kind": "generic"}},
            "trunks": {
                "main": {
                    **main,
                    "outbound": {
                        "username": "acme",
                        "password": SecretStr("tell-nobody-of-this"),
                        "prefixes": ["+1"],
                        "concurrency": 30,
                        "headers": {"X-Account": "acme"},
                        "codecs": ["PCMA", "PCMU"],
                        **outbound,
                    },
                },
                "in-only": {**main, "inbound": {"allowed_addresses": ["192.0.2.0/24"]}},
            },
            "numbers": {NUMBER: {"trunk": "main"}},
            "livekit": {"url": "ws://h", "api_key": "k", "api_secret": SecretStr("s")},
        }
    )


async def plan_of(store: KeptTrunks, desired: Desired, **how: Any) -> Plan:
    gateway = Gateway(store=store, deployment=desired.deployment)
    return await planned(desired, [gateway], patience=Naps().patience, **how)


async def applied(store: KeptTrunks, desired: Desired, **how: Any) -> list[Result]:
    gateway = Gateway(store=store, deployment=desired.deployment)
    return await apply(await plan_of(store, desired, **how), [gateway], patience=Naps().patience)


async def test_a_trunk_that_calls_leave_by_is_kept_with_all_that_routing_needs() -> None:
    store = KeptTrunks()
    await applied(store, a_file())
    assert store.kept == {
        "main": KeptTrunk(
            name="main",
            deployment="acme",
            livekit_name="acme/main",
            address="sip.example.net",
            transport="tcp",
            encryption="disable",
            numbers=(NUMBER,),
            username="acme",
            password="tell-nobody-of-this",
            prefixes=("+1",),
            priority=10,
            cps=1.0,
            concurrency=30,
            destination_country="",
            headers={"X-Account": "acme"},
            codecs=("PCMA", "PCMU"),
        )
    }
    assert (await plan_of(store, a_file())).pending == ()


async def test_what_was_changed_by_hand_is_drift_and_is_mended() -> None:
    store = KeptTrunks()
    await applied(store, a_file())
    store.kept["main"] = replace(store.kept["main"], cps=50.0, password="another")
    told = drift(await plan_of(store, a_file()))
    assert told == [
        "gateway trunk acme/main: password is (secret), and should be (secret).",
        "gateway trunk acme/main: cps is 50.0, and should be 1.0.",
    ]
    await applied(store, a_file())
    assert store.kept["main"].cps == 1.0 and store.kept["main"].password.startswith("tell")


async def test_what_the_file_no_longer_wants_is_forgotten_and_what_others_keep_is_not() -> None:
    store = KeptTrunks()
    await applied(store, a_file())
    others = replace(store.kept["main"], name="theirs", deployment="other")
    await store.trunks.put(others)
    desired = a_file()
    await applied(store, desired.model_copy(update={"trunks": {}, "numbers": {}}))
    assert store.kept == {"theirs": others}


async def test_a_trunk_that_nobody_made_by_a_file_is_in_the_way_until_it_is_adopted() -> None:
    store = KeptTrunks()
    await applied(store, a_file())
    store.kept["main"] = replace(store.kept["main"], deployment="")
    [result] = await applied(store, a_file())
    assert result.outcome is Outcome.FAILED and result.error and result.error.code == "conflict"
    key = result.step.key
    [adopted] = await applied(store, a_file(), adopting={key: "main"})
    assert adopted.step.action is Action.ADOPT
    assert store.kept["main"].deployment == "acme"
