"""One of several dialers that share a queue and a trunk: its dispatcher and its permits.

``python -m bench.pacing_dialer KEY CALLS SECONDS JOINING``, with the dialer's own settings in the
environment; JOINING agents may be on their way at once, or more where the pace needs it. It places
its share of the calls, says ``ready``, dispatches from the next line on its standard input on, and
tells when its agents were given their permits. Everything is the product's own but LiveKit, in
whose place there are rooms that an agent joins a moment after it was asked for.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, Final

import httpx
from fastapi import FastAPI

from dialer import logs
from dialer.app import assemble, build, running
from dialer.calls.dispatch import Dispatcher
from dialer.calls.joining import Collaborators, Rules
from dialer.calls.looping import ended
from dialer.calls.rooms import Dispatch, RoomState
from dialer.livekits.choice import LiveKits
from dialer.livekits.livekit import LiveKit, Realm
from dialer.settings import Settings, load
from dialer.wiring import Services
from dialer.workers.jobs import Jobs
from telephony.dial_request import DialRequest
from telephony.events import EventType
from telephony.worker_contract import PRESENCE_INTERVAL, WorkerPresence
from tests.kit.fakes import FakeRooms
from tests.kit.trunks import FakeLines

#: Units: seconds. What an agent takes from being asked for to being in the room.
_JOINS: Final = (0.05, 0.15)
#: More than all the calls: what is measured is not held up for want of seats.
SEATS: Final = 5_000
_AT_ONCE: Final = 10


class StaffedRooms(FakeRooms):
    """Rooms into which an agent comes when it is asked for, and asks for its permit."""

    def __init__(self) -> None:
        super().__init__(now=_now)
        self.http: httpx.AsyncClient
        self.worker_id = ""
        #: Units: seconds since the epoch.
        self.granted: list[float] = []
        self.refused = 0
        self._agents: set[asyncio.Task[None]] = set()

    async def create(self, room: str, dispatch: Dispatch | None) -> RoomState:
        """Make the room, and have its agent come."""
        state = await super().create(room, dispatch)
        if dispatch is not None:
            self._send_for(dispatch)
        return state

    async def redispatch(self, room: str, dispatch: Dispatch) -> None:
        """Have another agent come."""
        await super().redispatch(room, dispatch)
        self._send_for(dispatch)

    async def leave_all(self) -> None:
        """Let all agents go."""
        await ended(self._agents)

    def _send_for(self, dispatch: Dispatch) -> None:
        task = asyncio.create_task(self._agent(DialRequest.from_metadata(dispatch.metadata)))
        self._agents.add(task)
        task.add_done_callback(self._agents.discard)

    async def _agent(self, asked: DialRequest) -> None:
        await asyncio.sleep(random.uniform(*_JOINS))
        path = f"/internal/attempts/{asked.attempt_id}"
        bearer = {"Authorization": f"Bearer {asked.attempt_token}"}
        joined = {
            "sequence": 1,
            "type": EventType.CALL_AGENT_JOINED.value,
            "occurred_at": _now().isoformat(),
            "data": {"worker_id": self.worker_id},
        }
        told = await self.http.post(f"{path}/events", json={"events": [joined]}, headers=bearer)
        told.raise_for_status()
        asking = {"asked_by": token_hex(8)}
        while True:
            answer = await self.http.post(f"{path}/permit", json=asking, headers=bearer)
            if answer.status_code != 503:
                break
            await asyncio.sleep(0.2)
        if answer.status_code == 200:
            self.granted.append(time.time())
        else:
            self.refused += 1


def _now() -> datetime:
    return datetime.now(UTC)


async def _dispatcher(wired: Services, joining: int) -> Dispatcher:
    """Build it as the dialer does, over these rooms and the settings' trunk."""
    settings = wired.settings
    livekits = LiveKits(
        LiveKit(
            realm=Realm(settings.deployment),
            rooms=wired.rooms,
            trunks=FakeLines(*await wired.directory.trunks()),
            presence=wired.presence,
            jobs=Jobs(),
        )
    )
    given = Collaborators(
        database=wired.database,
        rooms=wired.rooms,
        signals=wired.signals,
        livekits=livekits,
        agents=wired.agents,
        tokens=wired.tokens,
        rules=Rules(
            agent_name=settings.livekit_agent_name,
            join_timeout=timedelta(seconds=settings.agent_join_timeout_seconds),
            joining_at_once=joining,
        ),
        owner=f"bench:{os.getpid()}",
        now=_now,
    )
    return Dispatcher(given, pacer=wired.pacer)


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dialer")


async def _place(http: httpx.AsyncClient, key: str, calls: int) -> None:
    body = {"call_type": "sip", "phone_number": "+14155550151"}
    free = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with free:
            headers = {"Authorization": f"Bearer {key}"}
            (await http.post("/calls", json=body, headers=headers)).raise_for_status()

    await asyncio.gather(*(one() for _ in range(calls)))


async def _report_presence(http: httpx.AsyncClient, wired: Services, worker_id: str) -> None:
    presence = WorkerPresence(
        capacity=SEATS,
        live_calls=0,
        version="bench",
        agent_name=wired.settings.livekit_agent_name,
    )
    bearer = {"Authorization": f"Bearer {wired.tokens.mint_worker_token(worker_id)}"}
    while True:
        path, body = f"/internal/workers/{worker_id}", presence.model_dump(mode="json")
        (await http.put(path, json=body, headers=bearer)).raise_for_status()
        await asyncio.sleep(PRESENCE_INTERVAL.total_seconds())


async def work(key: str, calls: int, seconds: float, joining: int) -> dict[str, Any]:
    """Dispatch for so long, and tell when permits were given."""
    settings = load(Settings)
    logs.configure("WARNING", "json")
    dialer, rooms = build(settings), StaffedRooms()
    wired = replace(dialer.services, rooms=rooms)
    rooms.worker_id = f"bench-{os.getpid()}"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(dialer, loops=False))
        rooms.http = await stack.enter_async_context(_client(assemble(wired)))
        presence = asyncio.create_task(_report_presence(rooms.http, wired, rooms.worker_id))
        stack.push_async_callback(ended, [presence])
        await _place(rooms.http, key, calls)
        dispatcher = await _dispatcher(wired, joining)
        print("ready", flush=True)
        if not await asyncio.to_thread(sys.stdin.readline):
            return {}
        cpu = time.process_time()
        dispatching = asyncio.create_task(dispatcher.run())
        done, _ = await asyncio.wait({dispatching, presence}, timeout=seconds)
        cpu = time.process_time() - cpu
        await ended([dispatching])
        await rooms.leave_all()
        for task in done:
            task.result()
    told = {"granted": rooms.granted, "refused": rooms.refused}
    return {**told, "placed": calls, "cpu": cpu}


def main() -> None:
    """Work, and print what came of it."""
    key, calls, seconds, joining = sys.argv[1:]
    done = asyncio.run(work(key, int(calls), float(seconds), int(joining)))
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main()
