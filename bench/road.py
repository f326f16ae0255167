"""What a road is: a way from "call this number" to a conversation, with workers of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench import process_tree


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that was asked for.

    Units: seconds since the epoch. Shape: ``asked`` is the moment before the request was sent,
    ``accepted`` the one at which its answer had come.
    """

    id: str
    asked: float
    accepted: float


class Road(Protocol):
    """One way to place calls."""

    name: str

    async def aclose(self) -> None:
        """Close what is connected."""
        ...

    async def start(self, calls: int) -> None:
        """Start the workers for so many calls at once, and wait until they can take them."""
        ...

    async def stop(self) -> None:
        """Stop the workers."""
        ...

    async def place(self, number: str) -> Placed:
        """Ask for a call."""
        ...

    async def over(self, placed: Placed) -> None:
        """See to it that nothing of the call is left, after the callee has hung up."""
        ...

    @property
    def pids(self) -> Sequence[int]:
        """Give the workers' first processes."""
        ...


async def wait_for(
    condition: Callable[[], Awaitable[bool]], timeout: float, what: str, *, every: float = 0.1
) -> None:
    """Wait for a condition.

    Errors: TimeoutError with ``what``.
    """
    deadline = time.monotonic() + timeout
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:.0f} s: {what}")
        await asyncio.sleep(every)


async def calm(pids: Sequence[int], *, most: float = 8.0) -> None:
    """Wait until the workers have nothing more to do than an idle worker has.

    Shape: under a tenth of a core for half a second; after ``most`` seconds it is as it is.
    """
    deadline = time.monotonic() + most
    calm_for = 0
    before, at = process_tree.cpu_seconds(pids), time.monotonic()
    while calm_for < 2 and time.monotonic() < deadline:
        await asyncio.sleep(0.25)
        now, then = process_tree.cpu_seconds(pids), time.monotonic()
        calm_for = calm_for + 1 if (now - before) / (then - at) < 0.1 else 0
        before, at = now, then
