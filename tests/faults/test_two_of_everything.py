"""Two of every part on one Redis and one Postgres: any one may die, all may be restarted."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.chaos.client import Client
from tests.faults.chaos.comparison import Ledgers, compare
from tests.faults.chaos.plan import Order
from tests.faults.test_kills import processes, ready
from tests.kit import postgres
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.running import sandbox
from tests.kit.until import until, until_sync

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SILENT = "+14155550101"
HANGS_UP = "+14155550112"
#: In the order in which a new version is rolled out.
ALL = (
    *("api", "api-2", "loops", "loops-2", "worker", "worker-2"),
    *("livekit-sip", "livekit-sip-2", "livekit-server", "livekit-server-2"),
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a sandbox with two of everything."""
    with ExitStack() as stack:
        server = stack.enter_context(postgres.server())
        url = stack.enter_context(postgres.fresh_database(server, migrated=False))
        state = tmp_path_factory.mktemp("pair")
        yield stack.enter_context(sandbox(state, "--twice", "--database-url", url))


@pytest.fixture(scope="module")
def gateways(pair: dict[str, Any]) -> Iterator[list[Gateway]]:
    """Give a client for each API process."""
    clients = [Gateway(url, pair["api_key"]) for url in pair["api_urls"]]
    yield clients
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def carrier(pair: dict[str, Any]) -> Iterator[CarrierLedger]:
    """Give the carrier's record."""
    client = CarrierLedger(pair["carrier_control_url"])
    yield client
    client.close()


class Talks:
    """Some calls that are answered and stay, and which parts carry each."""

    def __init__(
        self, pair: dict[str, Any], gateways: list[Gateway], carrier: CarrierLedger, count: int
    ) -> None:
        self._logs = Path(pair["logs_dir"])
        self._carrier = carrier
        self._gateway = gateways[0]
        since = datetime.now(UTC)
        placed = [gateways[n % 2].place(SILENT)["id"] for n in range(count)]
        for call_id in placed:
            self._gateway.until_status(call_id, "in_progress", timeout=120)
        records = {r.raw["headers"]["x-attempt-id"]: r for r in carrier.calls(SILENT, since=since)}
        assert len(records) == count
        self.phones: dict[str, CarrierCall] = {}
        self.parts: dict[str, set[str]] = {}
        for call_id in placed:
            events = self._gateway.events(call_id)
            attempt = events[0]["attempt_id"]
            self.phones[call_id] = records[attempt]
            self.parts[call_id] = self._carried_by(events, records[attempt].call_id, attempt)

    def _carried_by(self, events: list[dict[str, Any]], sip_call_id: str, attempt: str) -> set[str]:
        joined = next(e for e in events if e["type"] == "call.agent_joined")
        bridges = {
            name for name in ("livekit-sip", "livekit-sip-2") if sip_call_id in self._log(name)
        }
        # The server that holds a room writes of it again and again, the other one in passing.
        servers = ("livekit-server", "livekit-server-2")
        told = {name: self._log(name).count(attempt) for name in servers}
        return {joined["data"]["worker_id"], *bridges, max(told, key=lambda name: told[name])}

    def _log(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(errors="replace")

    def of(self, part: str) -> set[str]:
        """Name the calls that a part carries."""
        return {call_id for call_id, parts in self.parts.items() if part in parts}

    def audio(self, call_id: str) -> int:
        """Count what the phone has heard."""
        found = self._carrier.calls(SILENT)
        mine = self.phones[call_id].call_id
        return next(r.rtp["packets_received"] for r in found if r.call_id == mine)

    def goes_on(self, call_id: str) -> bool:
        """Tell whether the API can be asked just now; insists that the call has not ended."""
        try:
            call = self._gateway.call(call_id)
        except httpx.HTTPError:
            return False
        assert call["status"] == "in_progress", self._gateway.events(call_id)
        return True

    def end(self) -> dict[str, dict[str, Any]]:
        """Hang up the phones, those of them that are still there; give the records of all calls."""
        for phone in self.phones.values():
            self._carrier.hang_up(phone.raw["id"])
        return {c: self._gateway.until_ended(c, timeout=120) for c in self.phones}


def whole(pair: dict[str, Any]) -> bool:
    running = processes(pair)
    return set(ALL) <= running.keys() and all(
        ready(pair | {"api_url": url}) for url in pair["api_urls"]
    )


def times_ready(pair: dict[str, Any], name: str) -> int:
    """Count how often the sandbox found a process ready; a new pid alone is not healthy yet."""
    printed = Path(pair["state_file"]).parent / "printed.log"
    return printed.read_text(errors="replace").count(f" {name} is ready")


def test_calls_spread_over_both_workers_and_all_end_well(
    pair: dict[str, Any], gateways: list[Gateway], carrier: CarrierLedger
) -> None:
    talks = Talks(pair, gateways, carrier, 6)
    spread = {part: len(talks.of(part)) for part in ALL if talks.of(part)}
    print(f"calls by part: {spread}")

    ended = talks.end()

    assert {call["ended_reason"] for call in ended.values()} == {"callee_hangup"}
    # LiveKit offers jobs by load; bridges and servers are its own choice and only told here.
    assert talks.of("worker") and talks.of("worker-2")


@pytest.mark.parametrize("kind", ["api", "loops", "worker", "livekit-sip", "livekit-server"])
def test_one_of_two_is_killed_and_the_calls_elsewhere_go_on(
    kind: str, pair: dict[str, Any], gateways: list[Gateway], carrier: CarrierLedger
) -> None:
    until_sync(lambda: whole(pair), 120, what="all are there")
    talks = Talks(pair, gateways, carrier, 4)
    # Where only one of the two carries calls, the idle one would prove nothing.
    victim = max((kind, f"{kind}-2"), key=lambda part: len(talks.of(part)))
    elsewhere = talks.phones.keys() - talks.of(victim)
    print(f"{victim} is killed, which carries {len(talks.of(victim))} of {len(talks.phones)} calls")

    os.kill(processes(pair)[victim], signal.SIGKILL)

    heard = {call_id: talks.audio(call_id) for call_id in elsewhere}
    until_sync(
        lambda: all(talks.goes_on(c) and talks.audio(c) > heard[c] + 250 for c in elsewhere),
        60,
        what="five more seconds of audio elsewhere",
    )
    until_sync(lambda: whole(pair), 120, what="it is back")
    ended = talks.end()
    assert {ended[c]["ended_reason"] for c in elsewhere} <= {"callee_hangup"}
    assert all(call["outcome"] and call["ended_reason"] for call in ended.values())
    print({c: ended[c]["ended_reason"] for c in talks.of(victim)})
    assert sum(phone.invites for phone in talks.phones.values()) == len(talks.phones)


def test_a_rolling_restart_under_load_fails_and_doubles_nothing(
    pair: dict[str, Any], carrier: CarrierLedger
) -> None:
    until_sync(lambda: whole(pair), 120, what="all are there")
    asyncio.run(_rolling_restart(pair, carrier))


async def _rolling_restart(pair: dict[str, Any], carrier: CarrierLedger) -> None:
    since = datetime.now(UTC)
    client = Client(pair["api_urls"], pair["api_key"], f"rolling/{since:%H%M%S}")
    rolled = asyncio.Event()

    async def load() -> None:
        began = time.monotonic()
        body = {"call_type": "sip", "phone_number": HANGS_UP}
        async with asyncio.TaskGroup() as calls:
            while not rolled.is_set():
                calls.create_task(client.place(Order(time.monotonic() - began, "hangs_up", body)))
                await asyncio.sleep(1)

    loading = asyncio.create_task(load())
    try:
        for name in ALL:
            old = processes(pair)[name]
            before = times_ready(pair, name)
            os.kill(old, signal.SIGTERM)
            await until(
                lambda name=name, before=before: times_ready(pair, name) > before,
                120,
                what=f"{name} is ready again",
            )
            await until(lambda: asyncio.to_thread(whole, pair), 120, what=f"whole after {name}")
    finally:
        rolled.set()
        await loading

    async def over() -> bool:
        return all(call["status"] == "ended" for call in await client.calls(since))

    await until(over, 180, every=1, what="every call is over")
    calls = await client.calls(since)
    events = {call["id"]: await client.events(call["id"]) for call in calls}
    await client.aclose()
    ids = [placed.call_id for placed in client.accepted]
    records = carrier.calls(HANGS_UP, since=since)
    assert client.refused == []
    assert compare(Ledgers(ids, calls, events, records)) == []
    failed = [call for call in calls if call["ended_reason"] != "callee_hangup"]
    assert failed == [], [(call, events[call["id"]]) for call in failed]
