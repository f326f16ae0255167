"""F12: one call blocks its loop or its process, or leaks; its callee is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_worker_killed_mid_call import LONGEST_SILENCE, holder, the_end
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.heard import longest_quiet
from tests.kit.processes import processes, ready
from tests.kit.running import sandbox
from tests.kit.until import until_sync


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a sandbox whose workers have the faults that calls ask for."""
    environment = {"WORKER_FAILPOINTS": "true", "WORKER_MEMORY_LIMIT_MB": "1200"}
    with sandbox(tmp_path_factory.mktemp("breakable"), environment=environment) as description:
        yield description


@pytest.fixture(scope="module")
def gateway(running: dict[str, Any]) -> Iterator[Gateway]:
    """Give its public API."""
    client = Gateway(running["api_url"], running["api_key"])
    yield client
    client.close()


@pytest.fixture(scope="module")
def ledger(running: dict[str, Any]) -> Iterator[CarrierLedger]:
    """Give its carrier's own record."""
    client = CarrierLedger(running["carrier_control_url"])
    yield client
    client.close()


@pytest.mark.fault("F12")
@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("sleep", {"agent_stuck"}),
        # A process that is back soon is seen without its call before its silence is noticed.
        ("spin", {"worker_silent", "call_not_held"}),
        ("leak", {"agent_stuck", "worker_silent", "call_not_held"}),
    ],
)
def test_a_call_that_breaks_is_taken_over_and_its_process_replaced(
    fault: str,
    reasons: set[str],
    running: dict[str, Any],
    gateway: Gateway,
    ledger: CarrierLedger,
) -> None:
    names = {"worker", "worker-2"}
    until_sync(lambda: names <= processes(running).keys() and ready(running), 90)
    number, since = "+14155550100", datetime.now(UTC)

    call = gateway.place(number, metadata={"failpoint": fault})
    gateway.until_status(call["id"], "in_progress")
    broken = holder(gateway, call["id"])
    pid = processes(running)[broken]

    ended = gateway.until_ended(call["id"], timeout=150)
    told = gateway.events(call["id"])
    lost = [event["data"] for event in told if event["type"] == "call.agent_lost"]
    assert len(lost) == 1 and lost[0]["why"] in reasons, told
    types = [event["type"] for event in told]
    assert types.index("call.agent_lost") < types.index("call.agent_rescued"), told
    assert types.count("call.agent_rescued") == 1, told
    assert ended["ended_reason"] == "agent_hangup", told
    seen = the_end(ledger, number, since)
    quiet = longest_quiet(Path(seen.raw["heard_wav"]))
    print(f"{fault}: longest silence at the phone {quiet.seconds:.1f} s")
    assert quiet.seconds <= LONGEST_SILENCE, told
    until_sync(
        lambda: processes(running).get(broken) not in {None, pid},
        60,
        what="the process was replaced",
    )
