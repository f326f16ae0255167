"""Requests that come at the same moment share one transaction.

While one batch is being carried out the next one gathers, so nobody waits for others to come: a
request alone is a batch of its own, and the busier it gets the more share one commit. Everybody is
answered after the commit of his batch, in the order in which he came.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from telephony.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How many share one transaction at most; on SQLite everybody else's writing waits for it.
BATCH = 64

#: What is done for a batch: a result, or the error of that one, for each item in order. What it
#: raises undoes all of the batch; then each of its items is tried alone.
Work = Callable[[Connection, Sequence[Item]], Sequence[Result | Exception]]
#: Carries it out in one transaction, committed when it returns.
Carry = Callable[[Callable[[Connection], Any]], Awaitable[Any]]


@dataclass(frozen=True)
class _Asked(Generic[Item, Result]):
    item: Item
    answer: asyncio.Future[Result]


class Together(Generic[Item, Result]):
    """One kind of work, done in batches, one batch at a time."""

    def __init__(self, work: Work[Item, Result], carry: Carry) -> None:
        self._work = work
        self._carry = carry
        self._waiting: deque[_Asked[Item, Result]] = deque()
        self._draining: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Result:
        """Have it done with the next batch.

        Errors: the item's own; Unavailable when the database cannot be reached.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked[Item, Result](item, loop.create_future())
        self._waiting.append(asked)
        if self._draining is None:
            # A context of its own: the batch belongs to no single request.
            self._draining = loop.create_task(self._drain(), context=Context())
        return await asked.answer

    async def settled(self) -> None:
        """Wait until everybody who asked is answered."""
        while self._draining is not None:
            await asyncio.wait([self._draining])

    async def _drain(self) -> None:
        try:
            await asyncio.sleep(0)  # who asks in this moment comes along
            while batch := self._next():
                await self._carry_out(batch)
        finally:
            self._draining = None
            for asked in self._waiting:  # only where the process is being torn down
                asked.answer.cancel()
            self._waiting.clear()

    def _next(self) -> list[_Asked[Item, Result]]:
        batch: list[_Asked[Item, Result]] = []
        while self._waiting and len(batch) < BATCH:
            asked = self._waiting.popleft()
            if not asked.answer.done():  # else nobody waits for it any more
                batch.append(asked)
        return batch

    async def _carry_out(self, batch: list[_Asked[Item, Result]]) -> None:
        items = [asked.item for asked in batch]
        try:
            results = await self._carry(lambda connection: self._work(connection, items))
        except Exception as error:
            await self._undone(batch, error)
        except BaseException:
            for asked in batch:
                asked.answer.cancel()
            raise
        else:
            for asked, result in zip(batch, results, strict=True):
                _answer(asked.answer, result)

    async def _undone(self, batch: list[_Asked[Item, Result]], error: Exception) -> None:
        """Nothing of the batch is written: find out whose fault it is."""
        if len(batch) == 1 or isinstance(error, Unavailable):
            # Where the connection is lost during the commit it may be written after all; nobody
            # may be tried again then.
            for asked in batch:
                _answer(asked.answer, error)
            return
        for asked in batch:
            await self._carry_out([asked])


def _answer(answer: asyncio.Future[Result], result: Result | Exception) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
