"""The trunks in the database, what became of their calls, and their slots, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, insert, select, text

from dialer.adapters.database import Database
from dialer.adapters.tables import idempotency_keys, metadata
from dialer.calls import forget
from dialer.calls.forget import Forgetting
from dialer.routing import health, slots
from dialer.routing.directory import Directory
from dialer.routing.health import SHORT, WINDOW, Health
from dialer.routing.sealing import Sealing
from dialer.routing.store import TrunkStore, open_trunks
from telephony.events import EventType
from tests.kit.api import settings
from tests.kit.fakes import VirtualClock
from tests.kit.switchboard import Switchboard
from tests.kit.trunks import trunk

SECRET = "a-secret-of-the-tests-of-32-and-more"
WHOLE = trunk(
    "main",
    username="user",
    password="a password of 16",
    numbers=("+14155550198", "+14155550199"),
    prefixes=("+1", "+44"),
    priority=3,
    cps=2.5,
    concurrency=30,
    destination_country="US",
    headers={"X-Team": "sales"},
    encryption="require",
    codecs=("PCMA", "PCMU"),
    deployment="acme",
    marks={"carrier": "twilio", "sid": "TK1"},
)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """Give a migrated database."""
    made = Database(database_url)
    yield made
    await made.close()


def store(database: Database, *secrets: str) -> TrunkStore:
    """Open the store with these secrets."""
    return TrunkStore(database, Sealing(secrets or [SECRET]), now=VirtualClock())


class TestStore:
    """Trunks are put, listed and removed."""

    async def test_a_command_opens_the_same_store(
        self, database: Database, database_url: str
    ) -> None:
        async with open_trunks(settings(database_url, secrets_key=f"{SECRET},{SECRET}2")) as kept:
            await kept.put(WHOLE)
        assert await store(database).list() == [WHOLE]

    async def test_what_is_put_comes_back_whole(self, database: Database) -> None:
        await store(database).put(WHOLE)
        await store(database).put(trunk("another"))
        assert await store(database).list() == [trunk("another"), WHOLE]

    async def test_putting_again_replaces_and_removing_twice_is_told(
        self, database: Database
    ) -> None:
        kept = store(database)
        await kept.put(WHOLE)
        changed = replace(WHOLE, enabled=False, concurrency=None, username="", password="")
        await kept.put(changed)
        assert await kept.list() == [changed]
        assert [await kept.remove("main"), await kept.remove("main")] == [True, False]
        assert await kept.list() == []

    async def test_two_who_put_the_same_trunk_at_once_leave_one(self, database: Database) -> None:
        await asyncio.gather(*(store(database).put(WHOLE) for _ in range(4)))
        assert await store(database).list() == [WHOLE]

    async def test_no_password_is_readable_in_the_database(self, database: Database) -> None:
        await store(database).put(WHOLE)
        async with database.reading() as connection:
            rows = (await connection.execute(text("SELECT * FROM trunks"))).all()
        assert len(rows) == 1 and "a password of 16" not in str(rows)

    async def test_a_trunk_that_another_key_sealed_is_left_out(self, database: Database) -> None:
        await store(database).put(WHOLE)
        await store(database).put(trunk("open"))
        other = store(database, "another-secret-of-the-tests-32-and-more")
        assert [one.name for one in await other.list()] == ["open"]


class TestDirectory:
    """The settings' trunk and those of the database."""

    async def test_the_settings_trunk_is_one_among_those_of_the_database(
        self, database: Database, database_url: str
    ) -> None:
        time, kept = 0.0, store(database)
        directory = Directory(settings(database_url), kept, clock=lambda: time)
        assert [one.name for one in await directory.trunks()] == ["outbound"]
        await kept.put(trunk("first", priority=1, numbers=("+442079460001",)))
        await kept.put(trunk("off", enabled=False))
        assert [one.name for one in await directory.trunks()] == ["outbound"], "a second old"
        time = 1.5
        found = await directory.trunks()
        assert [one.name for one in found] == ["first", "outbound"]
        assert directory.countries == {"US", "GB"}

    async def test_one_of_the_same_name_takes_its_place(
        self, database: Database, database_url: str
    ) -> None:
        kept = store(database)
        await kept.put(trunk("outbound", address="192.0.2.1"))
        (only,) = await Directory(settings(database_url), kept).trunks()
        assert only.address == "192.0.2.1"

    async def test_countries_that_are_named_are_all(
        self, database: Database, database_url: str
    ) -> None:
        configured = settings(database_url, allowed_countries=("CA",))
        directory = Directory(configured, store(database))
        await directory.trunks()
        assert directory.countries == {"CA"}


async def measured(board: Switchboard) -> Health:
    """Measure the only trunk that was used."""
    async with board.database.reading() as connection:
        return (await health.measure(connection, now=board.clock())).get("outbound", Health())


async def ends(board: Switchboard, reason: str, *, talks: float | None = None, **data: Any) -> str:
    """Let a call be dialled, and end so; ``talks`` is how long it was answered."""
    await board.worker(capacity=50)
    call_id = await board.place()
    await board.dispatch()
    granted = await board.dials(call_id)
    if talks is not None:
        await board.report(granted, (EventType.CALL_RINGING, {}), (EventType.CALL_ANSWERED, {}))
        board.clock.forward(talks)
    by = {"callee_hangup": "callee", "busy": "callee"}.get(reason, "carrier")
    ended = {"ended_reason": reason, "ended_by": by, **data}
    await board.report(granted, (EventType.CALL_ENDED, ended))
    return call_id


class TestHealth:
    """What became of a trunk's calls."""

    async def test_ratio_duration_and_short_calls_are_counted(self, board: Switchboard) -> None:
        await ends(board, "callee_hangup", talks=60)
        await ends(board, "callee_hangup", talks=SHORT.total_seconds())
        await ends(board, "busy", sip_status_code=486)
        await ends(board, "carrier_unavailable", sip_status_code=503)
        how = await measured(board)
        assert (how.uses, how.answered, how.failed, how.short) == (4, 2, 1, 1)
        assert how.answer_seizure_ratio == 0.5
        assert how.average_duration == pytest.approx(36, abs=1)
        assert how.failures_in_a_row == 1

    async def test_failures_in_a_row_end_with_a_call_that_reaches_somebody(
        self, board: Switchboard
    ) -> None:
        for _ in range(3):
            await ends(board, "trunk_auth")
            board.clock.forward(1)
        assert (await measured(board)).failures_in_a_row == 3
        await ends(board, "busy", sip_status_code=486)
        assert (await measured(board)).failures_in_a_row == 0

    async def test_an_old_call_that_hangs_up_tells_nothing_of_the_trunk_now(
        self, board: Switchboard
    ) -> None:
        await ends(board, "trunk_auth")
        board.clock.forward(1)
        _, talks = await board.talking()
        assert (await measured(board)).failures_in_a_row == 0
        for _ in range(5):
            board.clock.forward(1)
            await ends(board, "carrier_unavailable", sip_status_code=503)
        board.clock.forward(1)
        hung_up = {"ended_reason": "callee_hangup", "ended_by": "callee"}
        await board.report(talks, (EventType.CALL_ENDED, hung_up))
        assert (await measured(board)).failures_in_a_row == 5, "since that call was answered"

    async def test_a_phone_that_rings_now_tells_that_the_trunk_works(
        self, board: Switchboard
    ) -> None:
        for _ in range(3):
            await ends(board, "carrier_error", sip_status_code=500)
        board.clock.forward(1)
        await board.worker(capacity=50)
        call_id = await board.place()
        await board.dispatch()
        granted = await board.dials(call_id)
        await board.report(granted, (EventType.CALL_RINGING, {}))
        assert (await measured(board)).failures_in_a_row == 0

    async def test_what_our_own_side_lost_tells_nothing(self, board: Switchboard) -> None:
        await ends(board, "bridge_lost")
        assert (await measured(board)).uses == 0

    async def test_what_is_old_tells_nothing_any_more_and_is_forgotten(
        self, board: Switchboard
    ) -> None:
        await ends(board, "trunk_auth")
        board.clock.forward(WINDOW.total_seconds() + 1)
        assert await measured(board) == Health()
        board.clock.forward(timedelta(days=1).total_seconds())
        await Forgetting(board.database, now=board.clock).step()
        assert await left(board, "trunk_uses") == 0

    async def test_what_is_old_is_forgotten_batch_by_batch_beside_keys_that_expire(
        self, board: Switchboard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(forget, "_BATCH", 2)
        placed = [await ends(board, "trunk_auth") for _ in range(3)]
        await key_of(board, placed[0])
        board.clock.forward((forget.KEY_LIFE + timedelta(seconds=1)).total_seconds())
        await ends(board, "trunk_auth")
        forgetting = Forgetting(board.database, now=board.clock)
        assert await forgetting.step() == 0
        assert await left(board, "idempotency_keys") == 0
        assert await left(board, "trunk_uses") == 2
        assert await forgetting.step() > 0
        assert await left(board, "trunk_uses") == 1, "the one of today"


async def key_of(board: Switchboard, call_id: str) -> None:
    """Let a call have been placed now, with an idempotency key."""
    async with board.database.transaction() as tx:
        await tx.execute(
            insert(idempotency_keys).values(
                tenant_id="default",
                key="k",
                body_hash="0" * 64,
                call_id=call_id,
                created_at=board.clock(),
            )
        )


async def left(board: Switchboard, table: str) -> int:
    """Count the rows of a table."""
    async with board.database.reading() as connection:
        rows = await connection.execute(select(func.count()).select_from(metadata.tables[table]))
        return int(rows.scalar_one())


class TestSlots:
    """No trunk ever carries more calls than it may."""

    async def test_dispatchers_that_race_never_share_a_slot(self, wide_board: Switchboard) -> None:
        board = wide_board
        board.trunk.trunks = [trunk("a", concurrency=3), trunk("b", concurrency=2, priority=20)]
        dispatchers = [board.another_dispatcher(f"d{n}") for n in range(4)]
        for _ in range(12):
            await board.place()
        for _ in range(3):
            await board.worker(capacity=50)
            await asyncio.gather(*(one.step() for one in dispatchers))
            board.clock.forward(0.1)
        await asyncio.gather(*(one.settled() for one in dispatchers))
        async with board.database.reading() as connection:
            carried, on_the_way = await slots.carried(connection)
        assert carried == {"a": 3, "b": 2} == on_the_way

    async def test_a_slot_comes_back_whatever_became_of_its_call(
        self, wide_board: Switchboard
    ) -> None:
        board = wide_board
        board.trunk.trunks = [trunk(concurrency=1)]
        for reason in ("busy", "trunk_auth", "bridge_lost"):
            await ends(board, reason)
        # One whose agent never comes, and that nobody ends.
        await board.dispatched(capacity=50)
        for _ in range(2):
            board.clock.forward(3.1)
            await board.worker(capacity=50)
            await board.dispatch()
        async with board.database.reading() as connection:
            assert (await slots.carried(connection))[0] == {}
