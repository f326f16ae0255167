"""Requests of one moment share a transaction, and nothing else: each has its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from dialer.adapters.together import BATCH, Together
from telephony.errors import Unavailable


class Ledger:
    """A store that keeps what its transactions wrote, unless they fail."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.lost_in_commit: set[str] = set()
        self._pending: list[str] = []

    def work(self, _: Connection, items: Sequence[str]) -> list[str | Exception]:
        """Write the items; one that is called ``bad`` is refused, ``broken`` breaks the batch."""
        self.batches.append([*items])
        answers: list[str | Exception] = []
        for item in items:
            if item.startswith("broken"):
                raise RuntimeError(item)
            answers.append(ValueError(item) if item.startswith("bad") else f"{item} written")
        self._pending = [item for item in items if not item.startswith("bad")]
        return answers

    async def carry(self, work: Callable[[Connection], Any]) -> Any:
        """Be one transaction."""
        await self.gate.wait()
        answers = work(cast("Connection", None))
        await asyncio.sleep(0)
        self.kept += self._pending
        if self.lost_in_commit & {*self._pending}:
            raise Unavailable("database_unavailable", "gone")
        return answers


@pytest.fixture
def ledger() -> Ledger:
    """Give an empty ledger."""
    return Ledger()


@pytest.fixture
def together(ledger: Ledger) -> Together[str, str]:
    """Give what writes into the ledger."""
    return Together(ledger.work, ledger.carry)


async def ask_all(together: Together[str, str], *items: str) -> list[str | BaseException]:
    return await asyncio.gather(*map(together.ask, items), return_exceptions=True)


async def test_those_who_come_at_once_share_a_batch_and_are_answered_in_order(
    ledger: Ledger, together: Together[str, str]
) -> None:
    answered: list[str] = []

    async def ask(item: str) -> None:
        answered.append(await together.ask(item))

    items = [str(number) for number in range(20)]
    await asyncio.gather(*map(ask, items))
    assert ledger.batches == [items]
    assert ledger.kept == items
    assert answered == [f"{item} written" for item in items]


async def begun(ledger: Ledger, together: Together[str, str]) -> asyncio.Task[str]:
    """Begin a batch that is carried out once the gate opens."""
    ledger.gate.clear()
    first = asyncio.create_task(together.ask("1"))
    for _ in range(5):
        await asyncio.sleep(0)
    return first


async def test_who_comes_while_a_batch_is_carried_out_is_in_the_next(
    ledger: Ledger, together: Together[str, str]
) -> None:
    first = await begun(ledger, together)
    later = asyncio.create_task(ask_all(together, "2", "3"))
    for _ in range(5):
        await asyncio.sleep(0)
    ledger.gate.set()
    assert await first == "1 written"
    assert await later == ["2 written", "3 written"]
    assert ledger.batches == [["1"], ["2", "3"]]


async def test_no_batch_is_larger_than_it_may_be(
    ledger: Ledger, together: Together[str, str]
) -> None:
    items = [str(number) for number in range(2 * BATCH + 1)]
    await ask_all(together, *items)
    assert [len(batch) for batch in ledger.batches] == [BATCH, BATCH, 1]
    assert ledger.kept == items


async def test_one_that_is_refused_leaves_its_neighbours_alone(
    ledger: Ledger, together: Together[str, str]
) -> None:
    told = await ask_all(together, "1", "bad", "2")
    assert [told[0], told[2]] == ["1 written", "2 written"]
    assert isinstance(told[1], ValueError)
    assert ledger.kept == ["1", "2"]
    assert len(ledger.batches) == 1


async def test_one_that_breaks_the_batch_fails_alone(
    ledger: Ledger, together: Together[str, str]
) -> None:
    told = await ask_all(together, "1", "broken", "2")
    assert [told[0], told[2]] == ["1 written", "2 written"]
    assert isinstance(told[1], RuntimeError)
    assert ledger.kept == ["1", "2"]
    assert ledger.batches == [["1", "broken", "2"], ["1"], ["broken"], ["2"]]


async def test_what_was_lost_during_the_commit_is_not_tried_again(
    ledger: Ledger, together: Together[str, str]
) -> None:
    ledger.lost_in_commit = {"2"}
    told = await ask_all(together, "1", "2", "3")
    assert all(isinstance(answer, Unavailable) for answer in told)
    # It was written after all: a second try would have written it twice.
    assert ledger.kept == ["1", "2", "3"]
    assert len(ledger.batches) == 1
    ledger.lost_in_commit = set()
    assert await together.ask("4") == "4 written"


async def test_who_goes_away_before_his_batch_is_not_written(
    ledger: Ledger, together: Together[str, str]
) -> None:
    first = await begun(ledger, together)
    gone, stays = (asyncio.create_task(together.ask(item)) for item in ("gone", "stays"))
    await asyncio.sleep(0)
    gone.cancel()
    ledger.gate.set()
    told = await asyncio.gather(first, gone, stays, return_exceptions=True)
    assert isinstance(told[1], asyncio.CancelledError)
    assert [told[0], told[2]] == ["1 written", "stays written"]
    assert ledger.kept == ["1", "stays"]
    assert ledger.batches == [["1"], ["stays"]]


async def test_who_goes_away_during_his_batch_is_written_whole_and_takes_nobody_along(
    ledger: Ledger, together: Together[str, str]
) -> None:
    ledger.gate.clear()
    asked = [asyncio.create_task(together.ask(item)) for item in ("1", "2", "3")]
    for _ in range(5):
        await asyncio.sleep(0)
    asked[1].cancel()
    ledger.gate.set()
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [told[0], told[2]] == ["1 written", "3 written"]
    assert isinstance(told[1], asyncio.CancelledError)
    assert ledger.kept == ["1", "2", "3"]


async def test_settled_waits_for_everybody_who_asked(
    ledger: Ledger, together: Together[str, str]
) -> None:
    await together.settled()
    ledger.gate.clear()
    asked = asyncio.create_task(ask_all(together, "1", "2"))
    for _ in range(5):
        await asyncio.sleep(0)
    settling = asyncio.create_task(together.settled())
    await asyncio.sleep(0)
    assert not settling.done()
    ledger.gate.set()
    await settling
    assert ledger.kept == ["1", "2"]
    assert await asked == ["1 written", "2 written"]
