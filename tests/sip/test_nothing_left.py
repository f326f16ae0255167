"""What a call leaves in the workers once it is over: nothing that goes on running."""

from __future__ import annotations

from typing import Any

from tests.kit.gateway import Gateway
from tests.kit.processes import processes
from tests.kit.threads import AUDIO_SOURCE, threads
from tests.kit.until import until_sync

ANSWERS = "+14155550101"
BUSY = "+14155550102"
HANGS_UP = "+14155550112"


def _sources(running: dict[str, Any]) -> int:
    """Count the sources of sound in all workers; each call under way has one."""
    workers = [pid for name, pid in processes(running).items() if name.startswith("worker")]
    assert workers
    return sum(threads(pid)[AUDIO_SOURCE] for pid in workers)


def test_calls_that_are_over_leave_no_source_of_sound_in_the_workers(
    gateway: Gateway, running: dict[str, Any]
) -> None:
    before = _sources(running)
    talking = gateway.place(ANSWERS)
    others = [gateway.place(number) for number in (HANGS_UP, BUSY)]
    gateway.until_status(talking["id"], "in_progress")
    assert _sources(running) > 0
    gateway.hang_up(talking["id"])
    ends = {gateway.until_ended(call["id"])["ended_reason"] for call in (talking, *others)}
    assert ends == {"api_hangup", "callee_hangup", "busy"}
    until_sync(lambda: _sources(running) <= before, 20, what="no more sources than before")
