"""A PBX at the far end, as Asterisk and FreeSWITCH are in their usual settings, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.kit.both_ways import Hearing
from tests.kit.calling_in import OUR_NUMBER, Caller, callable_in, numbers, received
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.running import sandbox
from tests.kit.until import until_sync

TALKS_ON = "+14155550133"
SENDS_DIGITS = "+14155550113"


@dataclass(frozen=True)
class Manner:
    """What a PBX does that the other one does not.

    Shape: ``challenges`` are the refusals before it takes a call; ``rings`` is how it says that it
    rings; ``again`` how often it offers an answered call's session anew.
    """

    name: str
    challenges: tuple[int, ...]
    rings: int
    again: int


ASTERISK = Manner("asterisk", (401,), 180, again=2)
FREESWITCH = Manner("freeswitch", (407, 407), 183, again=1)


@pytest.fixture(
    scope="module",
    params=[ASTERISK, pytest.param(FREESWITCH, marks=pytest.mark.slow)],
    ids=lambda manner: manner.name,
)
def manner(request: pytest.FixtureRequest) -> Manner:
    """Give the PBX."""
    return request.param


@pytest.fixture(scope="module")
def running(manner: Manner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a sandbox with that PBX at the far end, and a number of ours that it can call."""
    state = tmp_path_factory.mktemp(manner.name)
    with sandbox(state, "--profile", manner.name, "--without", "worker-2") as description:
        numbers(description, "add", OUR_NUMBER)
        with callable_in(description, OUR_NUMBER, allowed="127.0.0.1/32"):
            yield description


def _settled(seen: CarrierCall, manner: Manner) -> bool:
    """Tell whether the PBX has offered the session anew as often as it does, and was answered."""
    answered = seen.at("answered_at")
    assert answered is not None
    asked = seen.asked("INVITE")
    cseqs = {m["cseq"] for m in asked if datetime.fromisoformat(m["at"]) > answered}
    taken = [m for m in seen.raw["messages"] if m["direction"] == "rx" and m.get("status") == 200]
    return len(cseqs) == manner.again and cseqs <= {m["cseq"] for m in taken}


def _goes_on_once_settled(seen: Any, manner: Manner) -> None:
    until_sync(lambda: _settled(seen(), manner), 30, what="the PBX offered the session anew")
    Hearing(seen).until_more()
    sent = seen().rtp["packets_sent"]
    until_sync(lambda: seen().rtp["packets_sent"] > sent, 10, what="the PBX sends")


def test_a_call_to_the_pbx_is_challenged_answered_and_outlives_its_reinvites(
    manner: Manner, gateway: Gateway, ledger: CarrierLedger
) -> None:
    call, since = on_the_phone(gateway, TALKS_ON)

    def seen() -> CarrierCall:
        return ledger.only_call(TALKS_ON, since=since)

    _goes_on_once_settled(seen, manner)
    until_sync(
        lambda: {turn["speaker"] for turn in gateway.turns(call["id"])} == {"agent", "callee"},
        60,
        what="both were understood",
    )
    gateway.hang_up(call["id"])
    ended = gateway.until_ended(call["id"])
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "api_hangup")
    met = seen()
    refused = [m["status"] for m in met.raw["messages"] if m.get("status") in {401, 403, 407}]
    assert (tuple(refused), met.invites) == (manner.challenges, 1)
    assert met.sent(manner.rings), "it rang as this PBX rings"
    assert met.received("BYE")


def test_a_call_from_the_pbx_reaches_its_agent_and_outlives_its_reinvites(
    manner: Manner, running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> None:
    caller = Caller(running, ledger, gateway, behaviour="long_talk")
    call = gateway.until_status(caller.call(timeout=40)["id"], "in_progress")
    assert received(caller.seen, 180), "it rang"
    _goes_on_once_settled(lambda: caller.seen, manner)
    until_sync(
        lambda: {turn["speaker"] for turn in gateway.turns(call["id"])} == {"agent", "caller"},
        60,
        what="both were understood",
    )
    caller.hang_up()
    ended = gateway.until_ended(call["id"])
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "caller_hangup")


def test_the_pbx_finds_the_bridge_there_when_it_asks_with_options(
    running: dict[str, Any],
) -> None:
    def asked() -> dict[str, int] | None:
        health = httpx.get(f"{running['carrier_control_url']}/healthz", timeout=5).json()
        return health["qualify"] if health["qualify"]["answered"] >= 2 else None

    qualified = until_sync(asked, 20, what="OPTIONS were answered")
    assert qualified["status"] == 200


def test_digits_that_are_pressed_at_the_pbx_arrive(gateway: Gateway, ledger: CarrierLedger) -> None:
    since = datetime.now(UTC)
    call = gateway.place(SENDS_DIGITS)
    until_sync(
        lambda: [e for e in gateway.events(call["id"]) if e["type"] == "call.dtmf"],
        60,
        what="a digit arrived",
    )
    gateway.hang_up(call["id"])
    gateway.until_ended(call["id"])
    assert ledger.only_call(SENDS_DIGITS, since=since).invites == 1
