"""Nobody hears whether Postgres committed: the client's next try finds one call, or makes one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from dialer.adapters.database import Database
from tests.kit import postgres
from tests.kit.api import Api, changed
from tests.kit.api import api as open_api
from tests.kit.tcp_proxy import Kind, TcpProxy

pytestmark = pytest.mark.asyncio

BODY = {"phone_number": "+14155550100"}
WRITING = b"INSERT INTO calls"
#: Units: seconds. The product waits ten.
PATIENCE = 1.0


@pytest.fixture
def lossy(postgres_server: str) -> Iterator[tuple[TcpProxy, str, str]]:
    """Give a proxy before a database, and the database's URL through it and past it."""
    with postgres.fresh_database(postgres_server) as url:
        parts = urlsplit(url)
        server = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
        with TcpProxy(lambda: server) as proxy:
            yield proxy, f"postgresql://postgres@{proxy.address}{parts.path}", url


@pytest_asyncio.fixture
async def through(lossy: tuple[TcpProxy, str, str]) -> AsyncGenerator[Api]:
    """Give the application whose database is behind the proxy."""
    _, url, direct = lossy
    async with open_api(direct) as api:
        database = Database(url, patience=PATIENCE)
        try:
            yield changed(api, database=database)
        finally:
            await database.close()


@pytest.mark.fault("F18")
@pytest.mark.parametrize(
    ("kind", "replayed"),
    [("stall", {True}), ("reset", {False}), ("half_open", {True, False})],
    ids=["stall", "reset", "half_open"],
)
async def test_a_commit_that_nobody_heard_of_makes_one_call(
    kind: Kind, replayed: set[bool], lossy: tuple[TcpProxy, str, str], through: Api
) -> None:
    """F18: stalled, it was committed; reset, it was not; half open, it arrives after all, late.

    Who asks cannot tell, and asks again.
    """
    key = {"Idempotency-Key": "k"}
    async with through.client() as client:
        assert (await client.post("/calls", json=BODY)).status_code == 202
        with lossy[0].fault(kind, WRITING) as lost:
            told = await client.post("/calls", json=BODY, headers=key)
        assert lost.met == 1
        assert (told.status_code, told.json()["code"]) == (503, "database_unavailable")
        assert int(told.headers["Retry-After"]) > 0
        again = await client.post("/calls", json=BODY, headers=key)
        assert again.status_code == 202
        assert ("Idempotent-Replayed" in again.headers) in replayed
        listed = (await client.get("/calls", params={"limit": 100})).json()["calls"]
        events = (await client.get(again.json()["links"]["events"])).json()["events"]
    assert len(listed) == 2
    assert [event["type"] for event in events] == ["call.queued"], "half of it was written"
    assert again.json()["id"] in {call["id"] for call in listed}
