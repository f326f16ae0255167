"""Asking again: a far end that is busy or away for a moment is no reason to give up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from trunks.errors import TrunkError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how soon something is asked again.

    Units: ``first`` and ``longest`` in seconds. Each wait is twice the one before, and up to a half
    shorter by chance, so that many do not come back together.
    """

    tries: int = 5
    first: float = 0.5
    longest: float = 60.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    async def insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until it is answered. Errors: TrunkError, the last one."""
        for tried in count(1):
            try:
                return await ask()
            except TrunkError as error:
                await self.before_another(tried, error)
        raise AssertionError("counting has no end")

    async def before_another(self, tried: int, error: TrunkError) -> None:
        """Wait before the next try. Errors: the error itself where another try is no use."""
        asked = error.retry_after or 0.0
        if not error.retryable or tried >= self.tries or asked > self.longest:
            raise error
        own = self.first * 2 ** (tried - 1) * (1 - self.chance() / 2)
        await self.sleep(max(asked, min(own, self.longest)))
