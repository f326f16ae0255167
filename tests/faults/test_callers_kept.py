"""A caller whose offer to the dialer gets lost on its way is answered all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.conftest import Stack
from tests.kit.calling_in import OUR_NUMBER, Caller, callable_in, numbers
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import processes, until_back, until_workers
from tests.kit.until import until_sync

OFFERING = b"/internal/inbound"


@pytest.fixture(scope="module", autouse=True)
def _reachable(stack: Stack) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    until_workers(stack.running)
    numbers(stack.running, "add", OUR_NUMBER)
    with callable_in(stack.running, OUR_NUMBER):
        yield


def _answered_once(caller: Caller, gateway: Gateway) -> None:
    call = caller.call(timeout=60)
    gateway.until_status(call["id"], "in_progress")
    caller.until_heard()
    types = [event["type"] for event in gateway.events(call["id"])]
    assert types.count("call.received") == types.count("call.answered") == 1
    caller.hang_up()
    assert gateway.until_ended(call["id"])["ended_reason"] == "caller_hangup"


@pytest.mark.fault("F1")
def test_an_offer_whose_answer_dies_with_the_api_is_made_again(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F1: the API is killed after the offer's commit and before its reply."""
    before = processes(whole.running)["api"]
    whole.arm("offer.after_commit")
    caller = Caller(whole.running, ledger, gateway, behaviour="long_talk")
    until_back(whole.running, "api", before)
    assert not (whole.failpoints / "offer.after_commit").exists(), "the point never fired"
    _answered_once(caller, gateway)


@pytest.mark.fault("F1")
def test_an_offer_whose_answer_stalls_is_made_again(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F1: the offer arrives, and its reply does not come back in time."""
    with whole.api.fault("stall", OFFERING) as stalled:
        caller = Caller(whole.running, ledger, gateway, behaviour="long_talk")
        until_sync(lambda: stalled.met >= 2, 40, what="the offer was made and made again")
    _answered_once(caller, gateway)
