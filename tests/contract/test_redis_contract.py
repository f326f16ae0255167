"""Presence, signals and pacing over a real Redis, and what is left of them without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from dialer.adapters.redis_client import connect
from dialer.adapters.redis_pacing import RedisPacer
from dialer.adapters.redis_presence import RedisPresence
from dialer.adapters.redis_signals import RedisSignals
from dialer.calls.looping import ended
from dialer.calls.pacing import Pace
from telephony.errors import Unavailable
from telephony.worker_contract import WorkerPresence
from tests.kit.servers import Server, redis_server
from tests.kit.until import until

PRESENCE = WorkerPresence(capacity=5, live_calls=1, version="1", agent_name="telephony")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a Redis."""
    server = redis_server(tmp_path_factory.mktemp("redis"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Process:
    """One dialer process, as Redis sees it."""

    def __init__(self, url: str, deployment: str) -> None:
        self.client: Any = connect(url)
        self.now = lambda: datetime.now(UTC)
        self.presence = RedisPresence(self.client, deployment=deployment, now=lambda: self.now())
        self.signals = RedisSignals(self.client, deployment=deployment)
        self.pacer = RedisPacer(self.client, deployment=deployment)
        self.running: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Carry signals."""
        self.running = asyncio.create_task(self.signals.run())
        # It wakes everybody once it hears.
        async with asyncio.timeout(10):
            await self.signals.wait_work(10)
            await self.signals.wait_rooms(10)

    async def close(self) -> None:
        """Stop."""
        if self.running is not None:
            await ended([self.running])
        await self.client.aclose()


@pytest_asyncio.fixture
async def pair(redis: Server, request: pytest.FixtureRequest) -> AsyncGenerator[list[Process]]:
    """Give two processes of one deployment."""
    url = f"redis://127.0.0.1:{redis.port}/0"
    made = [Process(url, request.node.name[:60]) for _ in range(2)]
    yield made
    for process in made:
        await process.close()


class TestPresence:
    """Which workers are there."""

    async def test_a_worker_that_reports_to_one_process_is_known_to_all(
        self, pair: list[Process]
    ) -> None:
        await pair[0].presence.put("w1", PRESENCE)
        (seen,) = await pair[1].presence.live()
        assert (seen.worker_id, seen.presence) == ("w1", PRESENCE)

    async def test_the_newest_word_counts_whoever_heard_it(self, pair: list[Process]) -> None:
        await pair[0].presence.put("w1", PRESENCE)
        await pair[1].presence.put("w1", PRESENCE.model_copy(update={"live_calls": 4}))
        for process in pair:
            (seen,) = await process.presence.live()
            assert seen.presence.live_calls == 4

    async def test_a_worker_that_falls_silent_is_gone_after_six_seconds(
        self, pair: list[Process]
    ) -> None:
        await pair[0].presence.put("w1", PRESENCE)

        async def gone() -> bool:
            return await pair[1].presence.live() == []

        began = time.monotonic()
        await until(gone, timeout=10)
        assert time.monotonic() - began > 5
        pair[0].now = lambda: datetime.now(UTC) + timedelta(seconds=6)
        assert await pair[0].presence.live() == []

    async def test_an_emptied_redis_is_filled_by_the_next_word(self, pair: list[Process]) -> None:
        await pair[0].presence.put("w1", PRESENCE)
        await pair[0].client.flushall()
        assert await pair[1].presence.live() == []
        assert len(await pair[0].presence.live()) == 1
        await pair[0].presence.put("w1", PRESENCE)
        assert len(await pair[1].presence.live()) == 1


class TestSignals:
    """Wake-ups between processes."""

    async def test_each_signal_wakes_who_waits_in_another_process(
        self, pair: list[Process]
    ) -> None:
        for process in pair:
            await process.listen()
        here, there = (process.signals for process in pair)
        async with there.watch_call("t", "c") as watch, there.watch_call("t", "d") as other:
            await here.call_changed("t", "c")
            assert await watch.wait(60)
            assert not await other.wait(0)
        await here.work_waiting()
        began = time.monotonic()
        await there.wait_work(120)
        await here.rooms_changed()
        await there.wait_rooms(120)
        assert time.monotonic() - began < 60

    async def test_a_process_hears_itself_without_redis(self, tmp_path: Path) -> None:
        lonely = Process("redis://127.0.0.1:1/0", "lonely")
        try:
            async with lonely.signals.watch_call("t", "c") as watch:
                await lonely.signals.call_changed("t", "c")
                assert await watch.wait(0)
        finally:
            await lonely.close()

    async def test_after_a_redis_that_went_away_signals_travel_again(self, tmp_path: Path) -> None:
        server = redis_server(tmp_path)
        server.start()
        url = f"redis://127.0.0.1:{server.port}/0"
        here, there = Process(url, "again"), Process(url, "again")
        try:
            for process in (here, there):
                await process.listen()
            server.stop()
            server.start()

            async def heard() -> bool:
                async with there.signals.watch_call("t", "c") as watch:
                    await here.signals.call_changed("t", "c")
                    return await watch.wait(0.5)

            await until(heard, timeout=20)
        finally:
            await here.close()
            await there.close()
            server.stop()


class TestPacing:
    """The trunk's pace over several processes."""

    async def test_together_they_keep_the_pace(self, pair: list[Process]) -> None:
        pace = Pace.of(3)
        for trunk in map(str, range(20)):
            began = time.monotonic()
            taken = [await pair[n % 2].pacer.take(trunk, pace) for n in range(6)]
            if time.monotonic() - began < 0.9:
                break  # else the machine was asleep while a second passed
        else:
            pytest.fail("six questions never fitted into a second")
        assert taken[:3] == [0, 0, 0]
        assert all(0 < wait <= 1.1 for wait in taken[3:])

        await asyncio.sleep(max(taken))
        assert await pair[0].pacer.take(trunk, pace) == 0

    async def test_what_slows_one_process_down_slows_the_other(self, pair: list[Process]) -> None:
        pace = Pace.of(8)
        for trunk in (f"slow-{n}" for n in range(20)):
            for process in pair:
                await process.pacer.slow_down(trunk)
            began = time.monotonic()
            taken = [await pair[n % 2].pacer.take(trunk, pace) for n in range(8)]
            if time.monotonic() - began < 0.9:
                break  # else the machine was asleep while a second passed
        else:
            pytest.fail("eight questions never fitted into a second")
        assert taken[:4] == [0] * 4
        assert all(wait > 0 for wait in taken[4:])

    async def test_a_token_that_is_given_back_is_there_again_for_everybody(
        self, pair: list[Process]
    ) -> None:
        here, there = (process.pacer for process in pair)
        pace = Pace(1, 60.0)
        assert await here.take("given", pace) == 0
        assert 0 < await there.take("given", pace) <= 60
        await there.give_back("given")
        assert await there.take("given", pace) > 0, "it gives back only what it took"
        await here.give_back("given")
        assert await there.take("given", pace) == 0
        await here.give_back("given")
        assert await here.take("given", pace) > 0

    async def test_a_token_that_is_had_before_its_moment_counts_at_its_moment(
        self, pair: list[Process]
    ) -> None:
        here, there = (process.pacer for process in pair)
        pace = Pace(1, 60.0)
        assert await here.take("ahead", pace, ahead=50) == 0
        assert 0 < await there.take("ahead", pace, ahead=1) <= 59
        assert -60 <= await there.take("ahead", pace, ahead=60) <= 0
        # The third one's moment is two minutes after the first one's.
        assert 0 < await here.take("ahead", pace, ahead=60) <= 60
        await there.give_back("ahead")
        assert -60 <= await here.take("ahead", pace, ahead=60) <= 0

    async def test_a_pace_below_one_a_second_is_kept_to_the_fraction(
        self, pair: list[Process]
    ) -> None:
        pace = Pace.of(0.4)
        assert await pair[0].pacer.take("rare", pace) == 0
        assert 0 < await pair[1].pacer.take("rare", pace) <= 2.5

    @pytest.mark.parametrize("ahead", [0.0, 0.2])
    async def test_processes_that_race_never_pass_the_pace_in_any_second(
        self, pair: list[Process], ahead: float
    ) -> None:
        given: list[tuple[float, float]] = []
        pace, give_up = Pace.of(20), time.monotonic() + 3

        async def run(process: Process) -> None:
            while (asked := time.monotonic()) < give_up:
                wait = await process.pacer.take("race", pace, ahead=ahead)
                if wait <= 0:
                    await asyncio.sleep(-wait)
                    given.append((time.monotonic(), asked))
                else:
                    await asyncio.sleep(wait)

        await asyncio.gather(*(run(process) for process in (*pair, *pair)))
        given.sort()
        assert len(given) > 20
        # The moment of each is between its asking and its answer: 21 in a second are too many.
        for first in range(len(given) - 20):
            together = given[first : first + 21]
            assert together[-1][0] - min(asked for _, asked in together) >= 1.0

    async def test_without_redis_a_process_keeps_the_pace_alone(self) -> None:
        lonely = Process("redis://127.0.0.1:1/0", "lonely")
        try:
            pace = Pace.of(1)
            assert await lonely.pacer.take("t", pace) == 0
            assert await lonely.pacer.take("t", pace) > 0
            await lonely.pacer.slow_down("u")
            taken = [await lonely.pacer.take("u", Pace.of(4)) for _ in range(4)]
            assert taken.count(0) == 2
        finally:
            await lonely.close()


async def test_without_redis_nobody_knows_of_workers_that_report_elsewhere() -> None:
    lonely = Process("redis://127.0.0.1:1/0", "lonely")
    try:
        with pytest.raises(Unavailable) as caught:
            await lonely.presence.live()
        assert caught.value.code == "redis_unavailable"
        await lonely.presence.put("w1", PRESENCE)
        assert len(await lonely.presence.live()) == 1
    finally:
        await lonely.close()
