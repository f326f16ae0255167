"""How often a queue is counted: rarely far below its limit, always near it."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from dialer.adapters.together import BATCH
from dialer.admission.limits import QueueLimit
from dialer.calls.newcomers import NewCalls


class Queue:
    """A tenant's queue, shared between the processes that fill it."""

    tenant_id = "t"

    def __init__(self, waiting: int = 0) -> None:
        self.long = waiting
        self.counts = 0
        self.locks = 0

    def waiting(self, *, at_most: int) -> int:
        self.counts += 1
        return min(self.long, at_most)

    def one_at_a_time(self) -> None:
        self.locks += 1

    def asked(self, limit: QueueLimit, wanted: int) -> int:
        room = limit.room_for(cast(NewCalls, self), wanted)
        self.long += room
        return room


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_far_below_the_limit_one_count_serves_many_batches() -> None:
    queue, limit = Queue(), QueueLimit(100_000, clock=Clock())
    for _ in range(30):
        assert queue.asked(limit, BATCH) == BATCH
    assert (queue.counts, queue.locks) == (1, 0)


def test_no_count_holds_longer_than_a_second() -> None:
    clock = Clock()
    queue, limit = Queue(), QueueLimit(10_000_000, clock=clock)
    queue.asked(limit, 1)
    clock.now = 0.9
    queue.asked(limit, 1)
    assert queue.counts == 1
    clock.now = 1.1
    queue.asked(limit, 1)
    assert queue.counts == 2


def test_near_the_limit_every_batch_counts_while_no_other_does() -> None:
    queue, limit = Queue(960), QueueLimit(1_000, clock=Clock())
    assert queue.asked(limit, 30) == 30
    assert queue.asked(limit, 30) == 10
    assert queue.asked(limit, 30) == 0
    assert queue.locks == 2


@given(
    at_most=st.integers(20, 20_000),
    waiting=st.floats(0, 1),
    order=st.lists(st.tuples(st.integers(0, 3), st.integers(1, BATCH)), max_size=200),
)
def test_four_processes_at_ten_thousand_calls_a_second_never_pass_the_limit(
    at_most: int, waiting: float, order: list[tuple[int, int]]
) -> None:
    clock = Clock()
    queue = Queue(int(at_most * waiting))
    limits = [QueueLimit(at_most, clock=clock) for _ in range(4)]
    for process, wanted in order:
        queue.asked(limits[process], wanted)
        clock.now += wanted / 10_000
        assert queue.long <= at_most


def test_a_queue_that_nothing_empties_is_filled_to_its_limit() -> None:
    clock = Clock()
    queue, limit = Queue(), QueueLimit(5_000, clock=clock)
    for _ in range(2 * 5_000 // BATCH):
        queue.asked(limit, BATCH)
        clock.now += BATCH / 10_000
    assert queue.long == 5_000
