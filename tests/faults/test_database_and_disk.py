"""The database is locked or frozen, or the disk is full: calls go on and are told of afterwards."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.faults.conftest import Stack
from tests.kit import postgres
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.processes import children, frozen, processes, ready
from tests.kit.running import sandbox
from tests.kit.until import until_sync

SILENT = "+14155550101"
BODY = {"call_type": "sip", "phone_number": "+14155550102"}


def refused_for_now(gateway: Gateway) -> bool:
    """Try to place a call; a refusal must say when to come again."""
    try:
        answer = gateway.http.post("/calls", json=BODY, timeout=40)
    except httpx.TimeoutException:
        return False
    assert answer.status_code in {202, 503}, answer.text
    if answer.status_code == 503:
        assert answer.json()["code"] == "database_unavailable"
        assert int(answer.headers["Retry-After"]) > 0
    return answer.status_code == 503


def ended_in_order(gateway: Gateway, call_id: str) -> None:
    """Wait for the end that the callee made, told once and after all else."""
    ended = gateway.until_ended(call_id, timeout=90)
    assert (ended["outcome"], ended["ended_reason"]) == ("completed", "callee_hangup")
    told = [e["type"] for e in gateway.events(call_id) if e["source"] == "worker"]
    assert told[-1] == "call.ended" and told.count("call.ended") == 1


@contextmanager
def locked(database: Path) -> Generator[None]:
    """Hold the write lock of a SQLite database."""
    holder = sqlite3.connect(database, isolation_level=None, timeout=30)
    try:
        holder.execute("BEGIN IMMEDIATE")
        yield
    finally:
        holder.rollback()
        holder.close()


@pytest.mark.fault("F18")
def test_a_locked_database_refuses_new_calls_and_learns_of_the_old_ones_later(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F18: somebody else holds SQLite's write lock; the callee hangs up meanwhile."""
    call, since = on_the_phone(gateway, SILENT)
    with locked(Path(whole.running["database_url"].removeprefix("sqlite:///"))):
        ledger.hang_up(ledger.only_call(SILENT, since=since).raw["id"])
        assert refused_for_now(gateway)
        assert gateway.call(call["id"])["status"] == "in_progress", "reading needs no lock"
    ended_in_order(gateway, call["id"])
    assert ledger.calls("+14155550102", since=since) == []
    assert gateway.until_ended(gateway.place("+14155550102")["id"])["outcome"] == "busy"


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], str]]:
    """Give a sandbox on a Postgres of its own, and that one's URL."""
    with postgres.server() as server, postgres.fresh_database(server) as url:
        state = tmp_path_factory.mktemp("postgres")
        with sandbox(state, "--without", "worker-2", "--database-url", url) as stack:
            yield stack, url


@pytest.mark.slow
@pytest.mark.fault("F18")
def test_a_frozen_postgres_refuses_new_calls_and_learns_of_the_old_ones_later(
    on_postgres: tuple[dict[str, Any], str],
) -> None:
    """F18: every process of Postgres stands still; the callee hangs up meanwhile."""
    stack, url = on_postgres
    gateway = Gateway(stack["api_url"], stack["api_key"])
    ledger = CarrierLedger(stack["carrier_control_url"])
    call, since = on_the_phone(gateway, SILENT)
    postmaster = _postmaster(url)
    # The first so that it makes no more of the others.
    with frozen([postmaster]), frozen(children(postmaster)):
        ledger.hang_up(ledger.only_call(SILENT, since=since).raw["id"])
        assert refused_for_now(gateway)
    ended_in_order(gateway, call["id"])
    until_sync(lambda: ready(stack), 60, what="it is whole again")
    assert gateway.until_ended(gateway.place("+14155550102")["id"])["outcome"] == "busy"
    gateway.close()
    ledger.close()


def _postmaster(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SHOW data_directory").fetchone()
    assert found is not None
    return int((Path(str(found[0])) / "postmaster.pid").read_text().splitlines()[0])


@contextmanager
def full_disk(*pids: int) -> Generator[None]:
    """Let no file of these processes grow, as on a full disk."""
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    try:
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@pytest.mark.fault("F35")
def test_a_full_disk_stops_dialling_and_no_call_that_is_up(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F35: neither the API nor the workers can write a byte."""
    call, since = on_the_phone(gateway, SILENT)
    before = processes(whole.running)
    with full_disk(*(before[name] for name in ("api", "worker", "worker-2"))):
        assert refused_for_now(gateway)
        heard = ledger.only_call(SILENT, since=since).rtp["packets_received"]
        until_sync(
            lambda: ledger.only_call(SILENT, since=since).rtp["packets_received"] >= heard + 50,
            20,
            what="RTP goes on",
        )
        ledger.hang_up(ledger.only_call(SILENT, since=since).raw["id"])
    ended = gateway.until_ended(call["id"], timeout=90)
    assert ended["outcome"] in {"completed", "failed"}
    assert processes(whole.running) == before, "nobody died of it"
    assert ledger.calls("+14155550102", since=since) == []
    assert gateway.until_ended(gateway.place("+14155550102")["id"])["outcome"] == "busy"
