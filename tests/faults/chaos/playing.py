"""Play one round: place calls and kill, wait for quiet, compare the ledgers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from livekit import api

from tests.faults.chaos.client import Client
from tests.faults.chaos.comparison import Ledgers, Violation, abandoned, compare
from tests.faults.chaos.killing import Killed, Killer
from tests.faults.chaos.leftovers import leftovers
from tests.faults.chaos.plan import Plan
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger

#: Units: seconds.
ENDED_WITHIN: Final = 60.0
_CLEAN_WITHIN: Final = 60.0

Announce = Callable[[str], None]


@dataclass
class Round:
    """What came of a round."""

    plan: Plan
    kills: list[Killed] = field(default_factory=list[Killed])
    ledgers: Ledgers | None = None
    violations: list[Violation] = field(default_factory=list[Violation])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    quiet_after: float = 0.0
    retries: int = 0


class Player:
    """Plays rounds on one running sandbox."""

    def __init__(self, running: dict[str, Any], announce: Announce) -> None:
        self._running = running
        self._announce = announce
        self._urls: list[str] = running["api_urls"]

    async def play(self, plan: Plan) -> Round:
        """Play a round."""
        played = Round(plan)
        killer = Killer(self._running, self._urls)
        await killer.begin()
        since = datetime.now(UTC)
        tag = f"{plan.seed}/{plan.number}/{since:%H%M%S%f}"
        async with AsyncExitStack() as stack:
            client = Client(self._urls, self._running["api_key"], tag)
            stack.push_async_callback(client.aclose)
            ledger = CarrierLedger(self._running["carrier_control_url"])
            stack.callback(ledger.close)
            await self._storm(plan, client, killer)
            played.kills = killer.done
            await self._compare(played, client, killer, ledger, since)
        return played

    async def _storm(self, plan: Plan, client: Client, killer: Killer) -> None:
        names = killer.targets()
        began = time.monotonic()

        async def placing() -> None:
            async with asyncio.TaskGroup() as calls:
                for order in plan.orders:
                    await _until(began + order.at)
                    calls.create_task(client.place(order))

        async def killing() -> None:
            for place, kill in enumerate(plan.kills, start=1):
                await _until(began + kill.at)
                killed = await killer.kill(kill.draw, names)
                told = f"kill {place}/{len(plan.kills)}: {killed.name} (pid {killed.pid})"
                self._announce(f"  {told}, {len(client.accepted)} calls accepted")

        await asyncio.gather(placing(), killing())

    async def _compare(
        self, played: Round, client: Client, killer: Killer, ledger: CarrierLedger, since: datetime
    ) -> None:
        wrong = [Violation(what) for what in await killer.whole()]
        wrong += [Violation(f"never accepted: {what}") for what in client.refused]
        quiet = time.monotonic()
        calls = await _all_ended(client, since)
        played.quiet_after = time.monotonic() - quiet
        self._announce(f"  quiet: {len(calls)} calls over after {played.quiet_after:.1f} s")
        bridges = [k.at for k in killer.done if k.name.startswith("livekit-sip")]
        carrier = await self._on_hook(ledger, since, bridges)
        left = await self._clean(client, killer)
        played.ledgers = Ledgers(
            accepted=[placed.call_id for placed in client.accepted],
            calls=calls,
            events={call["id"]: await client.events(call["id"]) for call in calls},
            carrier=carrier,
            bridge_killed=bridges,
        )
        wrong += [Violation(f"left behind: {what}") for what in left]
        wrong += compare(played.ledgers)
        wrong += await _not_replayed(client)
        played.violations = wrong
        played.retries = client.retries
        played.outcomes = Counter(f"{c['outcome']} ({c['ended_reason']})" for c in calls)

    async def _on_hook(
        self, ledger: CarrierLedger, since: datetime, bridges: list[datetime]
    ) -> list[CarrierCall]:
        """Wait until every phone is hung up; hang up those whose bridge was killed."""
        deadline = time.monotonic() + _CLEAN_WITHIN
        while True:
            records = await asyncio.to_thread(_records, ledger, since)
            live = [record for record in records if record.state != "ended"]
            if all(abandoned(record, bridges) for record in live) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        for record in live:
            await asyncio.to_thread(ledger.hang_up, record.raw["id"])
        return records

    async def _clean(self, client: Client, killer: Killer) -> list[str]:
        deadline = time.monotonic() + _CLEAN_WITHIN
        left = await self._looked(client, killer)
        while left and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            left = await self._looked(client, killer)
        return left

    async def _looked(self, client: Client, killer: Killer) -> list[str]:
        try:
            return await leftovers(self._running, client, killer)
        except (api.TwirpError, OSError) as error:
            return [f"LiveKit cannot be asked: {error}"]


def _records(ledger: CarrierLedger, since: datetime) -> list[CarrierCall]:
    return ledger.calls("", since=since)


async def _all_ended(client: Client, since: datetime) -> list[dict[str, Any]]:
    deadline = time.monotonic() + ENDED_WITHIN
    while True:
        calls = await client.calls(since)
        if all(call["status"] == "ended" for call in calls) or time.monotonic() > deadline:
            return calls
        await asyncio.sleep(0.5)


async def _not_replayed(client: Client) -> list[Violation]:
    return [
        Violation(wrong, placed.call_id)
        for placed in client.accepted
        if (wrong := await client.replayed(placed))
    ]


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
