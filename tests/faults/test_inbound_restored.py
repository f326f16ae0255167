"""LiveKit forgets all that `dialer trunks apply` made, and gets it back with nobody's help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import redis
from livekit import api

from tests.faults.conftest import Stack
from tests.faults.test_servers_lost import goes_out
from tests.kit.applied_file import applied, ways_in
from tests.kit.calling_in import Caller
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import kill, until_workers
from tests.kit.until import until_sync

OUR_NUMBER = "+14155550193"
WAYS_IN = (["tel/peer"], ["tel/peer"])
#: Units: seconds. The keeper looks every five, and starts again from a failure within as many.
_RESTORED_WITHIN = 30


@pytest.fixture(scope="module", autouse=True)
def _reachable(  # pyright: ignore[reportUnusedFunction]
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    until_workers(stack.running)
    folder = tmp_path_factory.mktemp("file")
    with applied(stack.running, folder, {OUR_NUMBER: {"agent": "default"}}):
        yield


def _answered(running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger) -> None:
    """Call in, and be answered by an agent that speaks."""
    caller = until_sync(lambda: _admitted(running, gateway, ledger), 60, what="a caller rings")
    call = caller.call(timeout=60)
    gateway.until_status(call["id"], "in_progress")
    until_sync(lambda: gateway.turns(call["id"]), 40, what="somebody spoke")
    caller.hang_up()
    assert gateway.until_ended(call["id"])["ended_reason"] == "caller_hangup"


def _admitted(running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger) -> Caller | None:
    """Call in; None where it is busy, as while livekit-server looks for its own node in Redis."""
    caller = Caller(running, ledger, gateway, to=OUR_NUMBER, behaviour="long_talk")
    until_sync(lambda: caller.known() or caller.seen.complete, 60, what="rings, or is refused")
    return caller if caller.known() else None


def _all_there(running: dict[str, Any]) -> bool:
    try:
        return ways_in(running) == WAYS_IN
    except (api.ServerError, aiohttp.ClientError, OSError, TimeoutError):
        return False  # it looks for its Redis


@pytest.mark.slow
@pytest.mark.fault("F16")
def test_callers_are_answered_again_after_redis_came_back_empty(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F16: emptied, then killed; trunk, rule and outbound trunk are made anew by the dialer."""
    _answered(whole.running, gateway, ledger)
    assert ways_in(whole.running) == WAYS_IN

    with redis.Redis.from_url(whole.running["redis_url"]) as client:  # pyright: ignore[reportUnknownMemberType]
        client.flushall()  # pyright: ignore[reportUnknownMemberType]
    kill(whole.running, "redis")

    until_sync(
        lambda: _all_there(whole.running),
        _RESTORED_WITHIN,
        what="LiveKit has the trunk and its rule again",
    )
    until_workers(whole.running)
    _answered(whole.running, gateway, ledger)
    goes_out(gateway, ledger)


@pytest.mark.fault("F16")
def test_a_rule_that_is_lost_alone_comes_back(whole: Stack) -> None:
    """F16: half of it is gone, as where Redis was restored from an old copy."""
    with redis.Redis.from_url(whole.running["redis_url"]) as client:  # pyright: ignore[reportUnknownMemberType]
        lost: Any = client.delete("sip_dispatch_rule")  # pyright: ignore[reportUnknownMemberType]
    assert lost == 1
    until_sync(
        lambda: _all_there(whole.running),
        _RESTORED_WITHIN,
        what="LiveKit has the rule again",
    )
