"""`dialer trunks apply` over the dialer's own database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dialer import migrations
from dialer.routing.from_file import open_store
from trunks.errors import TrunkError
from trunks.kept import InboundTrunk, KeptTrunk

KEPT = KeptTrunk(
    name="main",
    deployment="acme",
    livekit_name="acme/main",
    address="acme-main.pstn.twilio.com",
    transport="tls",
    encryption="require",
    numbers=("+14155550100", "+14155550101"),
    username="acme",
    password="tell-nobody-of-this",
    prefixes=("+1",),
    priority=5,
    cps=2.5,
    concurrency=30,
    destination_country="US",
    headers={"X-Account": "acme"},
    codecs=("PCMA", "PCMU"),
)


@pytest.fixture(autouse=True)
def _database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///trunks.db")
    monkeypatch.setenv("TOKEN_SECRET", "token-secret-of-the-tests-32-and-more")
    monkeypatch.delenv("SECRETS_KEY", raising=False)


async def test_a_trunk_comes_back_as_it_was_kept() -> None:
    migrations.upgrade("sqlite:///trunks.db")
    async with open_store() as store:
        await store.trunks.put(KEPT)
        assert list(await store.trunks.list()) == [KEPT]
        assert await store.trunks.remove("main") and not await store.trunks.remove("main")
        assert list(await store.trunks.list()) == []
    assert b"tell-nobody" not in Path("trunks.db").read_bytes()


async def test_a_trunk_that_calls_come_by_comes_back_as_it_was_kept() -> None:
    migrations.upgrade("sqlite:///trunks.db")
    kept = InboundTrunk(
        name="main",
        deployment="acme",
        numbers=("+14155550100",),
        allowed_addresses=("54.172.60.0/30",),
        username="pbx",
        password="tell-nobody-of-this",
        encryption="require",
        agent_name="telephony",
    )
    async with open_store() as store:
        for one in (replace(kept, username="other"), kept):
            await store.inbound_trunks.put(one)
        assert list(await store.inbound_trunks.list()) == [kept]
        assert await store.inbound_trunks.remove("main")
        assert not await store.inbound_trunks.remove("main")
    assert b"tell-nobody" not in Path("trunks.db").read_bytes()


async def test_a_database_without_tables_is_told_with_the_command_to_make_them() -> None:
    async with open_store() as store:
        with pytest.raises(TrunkError, match="dialer migrate"):
            await store.trunks.list()


async def test_what_the_gateway_cannot_route_by_is_refused_in_words() -> None:
    migrations.upgrade("sqlite:///trunks.db")
    async with open_store() as store:
        nameless = replace(KEPT, numbers=())
        with pytest.raises(TrunkError, match="no number to call from"):
            await store.trunks.put(nameless)
