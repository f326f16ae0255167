"""A hang-up reaches the wire: CANCEL while it rings, BYE when it was answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.rooms_left import rooms_left
from tests.kit.until import until_sync


@pytest.mark.fault("F27")
def test_a_hang_up_while_it_rings_cancels_the_invite(
    gateway: Gateway, ledger: CarrierLedger, running: dict[str, Any]
) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550103", ring_timeout_seconds=60)
    gateway.until_status(call["id"], "ringing")

    assert gateway.hang_up(call["id"]).status_code in {200, 202}

    ended = gateway.until_ended(call["id"], timeout=20)
    assert (ended["outcome"], ended["ended_reason"], ended["ended_by"]) == (
        "canceled",
        "api_hangup",
        "api",
    )
    until_sync(
        lambda: ledger.only_call("+14155550103", since=since).received("CANCEL"),
        10,
        what="CANCEL at the carrier",
    )
    assert not ledger.only_call("+14155550103", since=since).received("BYE")
    until_sync(lambda: not rooms_left(running, call["id"], gateway), 15, what="the room is gone")


@pytest.mark.fault("F27")
def test_a_hang_up_mid_call_sends_bye(
    gateway: Gateway, ledger: CarrierLedger, running: dict[str, Any]
) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550101")
    gateway.until_status(call["id"], "in_progress")

    assert gateway.hang_up(call["id"]).status_code in {200, 202}

    ended = gateway.until_ended(call["id"], timeout=20)
    assert (ended["outcome"], ended["ended_reason"], ended["ended_by"]) == (
        "completed",
        "api_hangup",
        "api",
    )
    assert ended["duration_seconds"] is not None
    until_sync(
        lambda: ledger.only_call("+14155550101", since=since).received("BYE"),
        10,
        what="BYE at the carrier",
    )
    until_sync(lambda: not rooms_left(running, call["id"], gateway), 15, what="the room is gone")


def test_a_hang_up_of_an_ended_call_changes_nothing(gateway: Gateway) -> None:
    call = gateway.place("+14155550102")
    before = gateway.until_ended(call["id"])

    answer = gateway.hang_up(call["id"])

    assert answer.status_code == 200
    assert gateway.call(call["id"]) == before


def test_the_callee_hangs_up(gateway: Gateway, ledger: CarrierLedger) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550101")
    gateway.until_status(call["id"], "in_progress")

    ledger.hang_up(ledger.only_call("+14155550101", since=since).raw["id"])

    ended = gateway.until_ended(call["id"], timeout=20)
    assert (ended["outcome"], ended["ended_reason"], ended["ended_by"]) == (
        "completed",
        "callee_hangup",
        "callee",
    )
