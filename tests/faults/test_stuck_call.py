"""F12: one call blocks its loop or leaks; its callee is kept and its process replaced."""

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
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a sandbox whose workers have the faults that calls ask for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKER_FAILPOINTS", "true")
        patch.setenv("WORKER_MEMORY_LIMIT_MB", "1200")
        with sandbox(tmp_path_factory.mktemp("breakable")) as description:
            yield description


@pytest.mark.fault("F12")
@pytest.mark.parametrize("fault", ["sleep", "leak"])
def test_a_call_that_breaks_is_taken_over_and_its_process_replaced(
    fault: str, breakable: dict[str, Any]
) -> None:
    gateway = Gateway(breakable["api_url"], breakable["api_key"])
    ledger = CarrierLedger(breakable["carrier_control_url"])
    names = {"worker", "worker-2"}
    until_sync(lambda: names <= processes(breakable).keys() and ready(breakable), 90)
    number, since = "+14155550100", datetime.now(UTC)

    call = gateway.place(number, metadata={"failpoint": fault})
    gateway.until_status(call["id"], "in_progress")
    broken = holder(gateway, call["id"])
    pid = processes(breakable)[broken]

    ended = gateway.until_ended(call["id"], timeout=150)
    told = gateway.events(call["id"])
    assert [e["type"] for e in told].count("call.agent_rescued") == 1, told
    assert ended["ended_reason"] == "agent_hangup", told
    seen = the_end(ledger, number, since)
    quiet = longest_quiet(Path(seen.raw["heard_wav"]))
    print(f"{fault}: longest silence at the phone {quiet.seconds:.1f} s")
    assert quiet.seconds <= LONGEST_SILENCE, told
    until_sync(
        lambda: processes(breakable).get(broken) not in {None, pid},
        60,
        what="the process was replaced",
    )
    gateway.close()
    ledger.close()
