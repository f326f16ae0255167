"""Which stall is whose, and what is done about it."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from agent import failpoints, watchdog
from agent.watchdog import STALLED, Pulse, Watchdog, resident_memory
from tests.kit.until import until

MEGABYTE = 1 << 20


class World:
    """A watchdog with a clock of its own, and what it did."""

    def __init__(self, *, memory_limit: int = 0) -> None:
        self.now = 100.0
        self.memory = 0
        #: What it meets where it would look at the memory, and how often it was there.
        self.trouble: Exception | None = None
        self.looks = 0
        self.own = cast("Any", SimpleNamespace(last=self.now, stuck=False, attempt_id=None))
        self.call = cast("Any", SimpleNamespace(last=self.now, stuck=False, attempt_id="att_1"))
        self.calls = [self.call]
        self.given_up: list[str | None] = []
        self.replaced: list[str] = []
        self.ended = 0
        self.dog = Watchdog(
            own=self.own,
            calls=lambda: self.calls,
            give_up=lambda pulse: self.given_up.append(pulse.attempt_id),
            replace=self.replaced.append,
            memory_limit=memory_limit,
            memory=self.used,
            end=self.end,
            clock=lambda: self.now,
        )

    def used(self) -> int:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        return self.memory

    def end(self) -> None:
        self.ended += 1

    def pass_time(self, seconds: float, *beating: Any) -> None:
        """Let time pass with these loops going round."""
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            for pulse in beating:
                pulse.last = self.now
            self.dog.look()


def test_a_call_that_stops_is_given_up_once_and_the_process_is_replaced() -> None:
    world = World()
    world.pass_time(STALLED, world.own)
    assert world.given_up == []
    world.pass_time(3, world.own)
    assert (world.given_up, world.call.stuck) == (["att_1"], True)
    assert (len(world.replaced), world.ended) == (1, 0)


def test_loops_that_go_round_are_left_alone() -> None:
    world = World()
    world.pass_time(60, world.own, world.call)
    assert (world.given_up, world.replaced, world.ended) == ([], [], 0)


def test_a_worker_whose_own_loop_stops_ends() -> None:
    world = World()
    world.pass_time(STALLED + 1, world.call)
    assert world.ended > 0


def test_after_a_sleep_of_its_own_it_blames_nobody() -> None:
    world = World()
    world.now += 60
    world.dog.look()
    assert (world.given_up, world.ended) == ([], 0)
    world.pass_time(10, world.own, world.call)
    assert (world.given_up, world.ended) == ([], 0)


def test_too_much_memory_replaces_the_process_and_far_too_much_ends_it() -> None:
    world = World(memory_limit=100 * MEGABYTE)
    world.memory = 101 * MEGABYTE
    world.pass_time(2, world.own, world.call)
    assert (len(world.replaced), world.ended) == (1, 0)
    world.memory = 126 * MEGABYTE
    world.pass_time(0.5, world.own, world.call)
    assert (world.given_up, world.ended) == (["att_1"], 0), "others are told to take its calls"
    world.pass_time(0.5, world.own, world.call)
    assert world.ended == 1


def test_memory_that_came_free_saves_no_process_that_gave_its_calls_up() -> None:
    world = World(memory_limit=100 * MEGABYTE)
    world.memory = 126 * MEGABYTE
    world.pass_time(0.5, world.own, world.call)
    assert (world.given_up, world.ended) == (["att_1"], 0)
    world.memory = 50 * MEGABYTE
    world.pass_time(0.5, world.own, world.call)
    assert world.ended == 1


def test_without_calls_far_too_much_memory_ends_it_at_once() -> None:
    world = World(memory_limit=100 * MEGABYTE)
    world.calls.clear()
    world.memory = 126 * MEGABYTE
    world.pass_time(0.5, world.own)
    assert (world.given_up, world.ended) == ([], 1)


def test_a_call_that_is_stuck_and_takes_all_memory_is_told_of_before_the_end() -> None:
    world = World(memory_limit=100 * MEGABYTE)
    world.pass_time(STALLED, world.own)
    world.memory = 126 * MEGABYTE
    world.pass_time(0.5, world.own)
    assert (world.given_up, world.ended) == (["att_1"], 0)
    world.pass_time(0.5, world.own)
    assert (world.given_up, world.ended) == (["att_1"], 1)


async def test_a_look_that_fails_replaces_the_process_once_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "_BEAT", 0.01)
    # Its timer would end the process of the tests.
    monkeypatch.setattr(watchdog, "faulthandler", Mock())
    world = World(memory_limit=100 * MEGABYTE)
    world.trouble = OSError(errno.EMFILE, "too many open files")
    world.dog.start()
    try:
        await until(lambda: world.looks > 5, what="it looks on")
        assert world.replaced == ["the watchdog failed"]
        world.own.last -= STALLED + 1
        await until(lambda: world.ended, what="what it can still see is watched")
    finally:
        world.dog.stop()


def test_its_own_memory_is_a_few_megabytes_at_least() -> None:
    assert resident_memory() > 5 * MEGABYTE


async def test_a_pulse_beats_until_it_is_stopped() -> None:
    pulse = Pulse("att_1")
    first = pulse.last
    await until(lambda: pulse.last > first)
    pulse.stop()
    await asyncio.sleep(0)


def test_what_holds_the_interpreter_is_ended_from_outside_of_it() -> None:
    program = (
        "import asyncio, agent.watchdog as w\n"
        "from agent.failpoints import FAILPOINTS\n"
        "w.PROCESS_STALLED = 2.0\n"
        "async def main():\n"
        "    dog = w.Watchdog(own=w.Pulse(), calls=lambda: [], give_up=print, replace=print,\n"
        "                     memory_limit=0)\n"
        "    dog.start()\n"
        "    await asyncio.sleep(1.5)\n"
        "    FAILPOINTS['spin']()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], timeout=90, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr and "failpoints.py" in done.stderr


@pytest.mark.parametrize("metadata", [{}, {"failpoint": "none"}, {"failpoint": {"a": 1}}])
def test_no_fault_is_made_up(metadata: dict[str, Any]) -> None:
    assert failpoints.named(metadata) is None
