"""Two trunks over the real stack: what one refuses leaves by the other, and rings once."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.kit.calling_in import OUR_NUMBER, Caller, callable_in, numbers
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.more_trunks import first_trunk
from tests.kit.refusing_carrier import refusing_carrier
from tests.kit.until import until_sync

#: Answers, and hangs up after a second.
CALLEE = "+14155550112"
#: The one of the sandbox's settings, which goes to the simulated carrier.
OWN = "outbound"


def _told(gateway: Gateway, call_id: str, event: str) -> list[dict[str, Any]]:
    return [one["data"] for one in gateway.events(call_id) if one["type"] == event]


@pytest.mark.fault("F19", "F20")
@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("unavailable", "503 Service Unavailable", "trunk_unavailable"),
        pytest.param("broken", "500 Server Internal Error", "trunk_error", marks=pytest.mark.slow),
        ("stranger", "403 Forbidden", "trunk_auth"),
        ("busy-trunk", "503 CPS limit exceeded", "too_fast"),
    ],
)
def test_a_call_that_one_trunk_refuses_leaves_by_the_other_and_rings_once(
    name: str,
    status: str,
    why: str,
    gateway: Gateway,
    ledger: CarrierLedger,
    running: dict[str, Any],
) -> None:
    since = datetime.now(UTC)
    with (
        refusing_carrier(status) as refusing,
        first_trunk(running, gateway, name=name, address=refusing.address),
    ):
        call = gateway.until_ended(gateway.place(CALLEE)["id"])
    assert (call["outcome"], call["ended_reason"]) == ("completed", "callee_hangup")
    assert (call["trunk"], call["attempts"]) == (OWN, 1)

    seen = ledger.only_call(CALLEE, since=since)
    assert (len(refusing.invites), seen.invites) == (1, 1)
    assert refusing.attempts == [seen.raw["headers"]["x-attempt-id"]]
    assert _told(gateway, call["id"], "call.requeued") == [{"trunk": name, "why": why}]
    trunks = [told["trunk"] for told in _told(gateway, call["id"], "call.dispatching")]
    assert trunks == [name, OWN]


@pytest.mark.fault("F19")
def test_a_trunk_at_which_nobody_listens_costs_no_call(
    gateway: Gateway, ledger: CarrierLedger, running: dict[str, Any]
) -> None:
    since = datetime.now(UTC)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with first_trunk(running, gateway, name="deaf", address=address, transport="tcp"):
            call = gateway.until_ended(gateway.place(CALLEE)["id"])
    assert (call["outcome"], call["trunk"]) == ("completed", OWN), gateway.events(call["id"])
    assert ledger.only_call(CALLEE, since=since).invites == 1


@pytest.mark.fault("F19")
@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("callee-busy", "486 Busy Here", "busy"),
        pytest.param("no-codec", "488 Not Acceptable Here", "codec", marks=pytest.mark.slow),
    ],
)
def test_what_the_callees_side_says_is_the_end_and_the_other_trunk_is_not_asked(
    name: str,
    status: str,
    reason: str,
    gateway: Gateway,
    ledger: CarrierLedger,
    running: dict[str, Any],
) -> None:
    since = datetime.now(UTC)
    with (
        refusing_carrier(status) as refusing,
        first_trunk(running, gateway, name=name, address=refusing.address),
    ):
        call = gateway.until_ended(gateway.place(CALLEE)["id"])
    assert (call["ended_reason"], call["trunk"]) == (reason, name)
    assert len(refusing.invites) == 1
    assert ledger.calls(CALLEE, since=since) == []


@pytest.mark.fault("F19", "F20")
@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param("refuses", "503 Service Unavailable", marks=pytest.mark.slow),
        ("too-fast", "503 CPS limit exceeded"),
    ],
)
def test_who_calls_in_waits_for_no_trunk_that_refuses(
    name: str, status: str, gateway: Gateway, ledger: CarrierLedger, running: dict[str, Any]
) -> None:
    since = datetime.now(UTC)
    numbers(running, "add", OUR_NUMBER)
    with (
        callable_in(running, OUR_NUMBER),
        refusing_carrier(status) as refusing,
        first_trunk(running, gateway, name=name, address=refusing.address),
    ):
        placed = [gateway.place(CALLEE)["id"] for _ in range(3)]
        until_sync(lambda: refusing.invites, 30, what="the trunk has refused")
        caller = Caller(running, ledger, gateway, behaviour="long_talk")
        call_in = caller.call(timeout=40)
        gateway.until_status(call_in["id"], "in_progress")
        until_sync(lambda: caller.seen.rtp.get("first_audible_at"), 40, what="the caller hears us")
        ended = [gateway.until_ended(call_id) for call_id in placed]
        assert gateway.call(call_in["id"])["status"] == "in_progress"
        caller.hang_up()
        assert gateway.until_ended(call_in["id"])["ended_reason"] == "caller_hangup"

    told = [(call["outcome"], call["trunk"], call["attempts"]) for call in ended]
    assert told == [("completed", OWN, 1)] * 3
    assert [seen.invites for seen in ledger.calls(CALLEE, since=since)] == [1, 1, 1]
