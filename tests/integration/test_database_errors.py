"""What a database that fails looks like to who asks: an outage is no bug, and a bug no outage."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from dialer import migrations
from dialer.adapters.database import Database
from telephony.errors import Unavailable
from tests.kit import postgres
from tests.kit.api import Api, changed
from tests.kit.processes import frozen

pytestmark = pytest.mark.asyncio

SECRET = "+14155550147"


async def test_a_table_that_is_missing_is_a_bug_and_no_outage(api: Api) -> None:
    async with api.services.database.transaction() as tx:
        await tx.execute(text("DROP TABLE events"))
        await tx.execute(text("ALTER TABLE calls RENAME TO renamed"))
    async with api.client() as client:
        answer = await client.get("/calls")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("statement", ["SELECT * FROM nothing_here", "SELECT nothing FROM", "?!"])
async def test_a_wrong_statement_is_raised_as_it_is(database_url: str, statement: str) -> None:
    database = Database(database_url)
    try:
        with pytest.raises(SQLAlchemyError):
            async with database.reading() as connection:
                await connection.execute(text(statement))
        with pytest.raises(SQLAlchemyError):
            async with database.transaction() as tx:
                await tx.execute(text(statement))
    finally:
        await database.close()


async def test_a_pool_that_is_used_up_is_a_503_that_says_when_to_come_again(
    api: Api, database_url: str
) -> None:
    database = Database(database_url, pool_timeout=0.2)
    crowded = changed(api, database=database)
    try:
        async with AsyncExitStack() as taken, crowded.client() as client:
            await _take_all(database, taken)
            answer = await client.get("/calls")
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer.headers["retry-after"]) > 0
        async with crowded.client() as client:
            assert (await client.get("/calls")).status_code == 200
    finally:
        await database.close()


async def _take_all(database: Database, taken: AsyncExitStack) -> None:
    for _ in range(50):
        try:
            await taken.enter_async_context(database.reading())
        except Unavailable:
            return
    raise AssertionError("the pool has no end")


async def test_a_file_that_cannot_be_opened_is_an_outage(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/such/folder/telephony.db")
    with pytest.raises(Unavailable):
        async with database.reading() as connection:
            await connection.execute(text("SELECT 1"))


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable):
        async with database.reading() as connection:
            await connection.execute(text("SELECT 1"))


async def test_a_connection_that_the_server_ends_is_an_outage(postgres_server: str) -> None:
    database = Database(postgres_server)
    try:
        with pytest.raises(Unavailable):
            async with database.transaction() as tx:
                await tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    finally:
        await database.close()


async def test_no_error_of_the_database_repeats_what_was_stored(database_url: str) -> None:
    told: list[str] = []
    statement, values = text("INSERT INTO nothing_here VALUES (:number)"), {"number": SECRET}
    database = Database(database_url)
    for opened in (database.reading, database.transaction):
        with pytest.raises(DBAPIError) as failed:
            async with opened() as connection:
                await connection.execute(statement, values)
        told.append(str(failed.value))
    await database.close()
    told.append(_migration_error(database_url, statement, values))
    assert all("nothing_here" in error for error in told)
    assert not any(SECRET in error for error in told)


def _migration_error(url: str, statement: Any, values: dict[str, str]) -> str:
    engine = migrations.sync_engine(url)
    try:
        with pytest.raises(DBAPIError) as failed, engine.begin() as connection:
            connection.execute(statement, values)
    finally:
        engine.dispose()
    return str(failed.value)


async def test_a_postgres_that_stands_still_is_an_outage_and_is_used_again_afterwards(
    postgres_server: str,
) -> None:
    with postgres.fresh_database(postgres_server) as url:
        database = Database(url, patience=0.5)
        try:
            async with database.reading() as connection:
                server: int = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()  # pyright: ignore
            with frozen([server]), pytest.raises(Unavailable):
                async with database.reading() as connection:
                    await connection.execute(text("SELECT 1"))
            with pytest.raises(Unavailable):
                async with database.transaction() as tx:
                    await tx.execute(text("SELECT pg_sleep(60)"))
            async with database.transaction() as tx:
                assert (await tx.execute(text("SELECT 2"))).scalar() == 2
        finally:
            await database.close()


async def test_a_connection_that_the_server_closed_is_replaced_unseen(postgres_server: str) -> None:
    with postgres.fresh_database(postgres_server) as url:
        database = Database(url)
        try:
            async with database.reading() as connection:
                pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
            async with database.reading() as connection:
                again = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
            assert again != pid
        finally:
            await database.close()
