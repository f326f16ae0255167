"""What workers can still take."""

from __future__ import annotations

from typing import Any

import pytest

from dialer.workers.presence import LiveWorker, capacity
from telephony.worker_contract import WorkerPresence
from tests.kit.fakes import EPOCH


def _worker(worker_id: str, **fields: Any) -> LiveWorker:
    values: dict[str, Any] = {
        "capacity": 5,
        "live_calls": 0,
        "version": "1",
        "agent_name": "telephony",
    }
    return LiveWorker(worker_id, WorkerPresence(**{**values, **fields}), EPOCH)


@pytest.mark.parametrize(
    ("workers", "assigned", "unassigned", "free"),
    [
        ([], {}, 0, 0),
        ([_worker("a")], {}, 0, 5),
        ([_worker("a", live_calls=2)], {}, 0, 3),
        ([_worker("a", live_calls=2)], {"a": 4}, 0, 1),
        ([_worker("a", live_calls=4)], {"a": 2}, 0, 1),
        ([_worker("a")], {}, 2, 3),
        ([_worker("a"), _worker("b", live_calls=5)], {}, 1, 4),
        ([_worker("a", live_calls=9)], {}, 0, 0),
        ([_worker("a", capacity=2)], {"a": 7, "gone": 3}, 0, 0),
        ([_worker("a"), _worker("b", draining=True)], {}, 0, 5),
        ([_worker("a"), _worker("b", registered=False)], {}, 0, 5),
        ([_worker("a", capacity=1)], {}, 4, 0),
    ],
)
def test_free_is_what_nobody_counts_as_taken(
    workers: list[LiveWorker], assigned: dict[str, int], unassigned: int, free: int
) -> None:
    assert capacity(workers, assigned=assigned, unassigned=unassigned).free == free


def test_workers_that_take_no_calls_are_no_workers() -> None:
    assert capacity([_worker("a", draining=True)], assigned={}, unassigned=0).no_worker
    assert not capacity([_worker("a", live_calls=5)], assigned={}, unassigned=0).no_worker
