"""Our road: POST /calls, our dispatcher, our workers."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from bench.road import Placed, wait_for
from bench.stage import Stage, Started, start
from dialer.tenants.tokens import Tokens

_READY_WITHIN: Final = 180.0
#: What a worker process holds unless told otherwise; the product's own default.
CAPACITY: Final = 5


class OurRoad:
    """The product's own workers behind its own API."""

    name = "ours"

    def __init__(
        self, stage: Stage, *, capacity: int = CAPACITY, workers: int | None = None
    ) -> None:
        self._stage = stage
        self._capacity = capacity
        self._workers = workers
        self._started: list[Started] = []
        self._http = httpx.AsyncClient(
            base_url=stage.description["api_url"],
            headers={"Authorization": f"Bearer {stage.description['api_key']}"},
            timeout=20,
        )

    @property
    def pids(self) -> Sequence[int]:
        """Give the workers' first processes."""
        return [worker.pid for worker in self._started]

    async def start(self, calls: int) -> None:
        """Start as many workers as it takes, and wait until the API says that it is ready."""
        count = self._workers or math.ceil(calls / self._capacity)
        for number in range(1, count + 1):
            self._started.append(await self._start_worker(f"bench-{number}"))
        seats = count * self._capacity
        await wait_for(lambda: self._has(seats), _READY_WITHIN, f"{count} workers of ours")

    async def stop(self) -> None:
        """Stop the workers; their presence ends with them."""
        for worker in self._started:
            await worker.stop()
        self._started.clear()
        with contextlib.suppress(TimeoutError):
            await wait_for(self._nobody, 10, "no worker of ours")

    async def place(self, number: str, **fields: Any) -> Placed:
        """Place a call; ``fields`` are what else its order says."""
        return await self._place({"call_type": "sip", "phone_number": number, **fields})

    async def place_voip(self) -> tuple[Placed, dict[str, Any]]:
        """Place a browser's call; give what the browser needs too."""
        asked = time.time()
        answer = await self._http.post("/calls", json={"call_type": "voip"})
        answer.raise_for_status()
        body = answer.json()
        return Placed(body["id"], asked, time.time()), body

    async def over(self, placed: Placed) -> None:
        """Wait for the call's record to be closed; what still waits or lives is hung up."""
        try:
            await wait_for(lambda: self._ended(placed.id), 5, "the call's end")
        except TimeoutError:
            await self._http.post(f"/calls/{placed.id}/hangup")
            with contextlib.suppress(TimeoutError):
                await wait_for(lambda: self._ended(placed.id), 10, "the call's end")

    async def hang_up(self, placed: Placed) -> None:
        """End the call from our side."""
        await self._http.post(f"/calls/{placed.id}/hangup")

    async def over_inbound(self, since: float) -> None:
        """Wait until the calls that came in since then are over; what lives on is hung up."""
        try:
            await wait_for(lambda: self._none_open(since), 5, "the end of all that came in")
        except TimeoutError:
            for call in await self._came_in(since):
                await self._http.post(f"/calls/{call['id']}/hangup")
            with contextlib.suppress(TimeoutError):
                await wait_for(lambda: self._none_open(since), 10, "the end of all that came in")

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def _place(self, body: dict[str, Any]) -> Placed:
        asked = time.time()
        answer = await self._http.post("/calls", json=body)
        accepted = time.time()
        answer.raise_for_status()
        return Placed(answer.json()["id"], asked, accepted)

    async def _start_worker(self, name: str) -> Started:
        stage = self._stage
        tokens = Tokens(stage.secrets["token_secret"], now=lambda: datetime.now(UTC))
        environment = {
            **stage.livekit,
            "LIVEKIT_AGENT_NAME": "telephony",
            "DIALER_URL": stage.description["api_url"],
            "WORKER_ID": name,
            "WORKER_TOKEN": tokens.mint_worker_token(name),
            "WORKER_HTTP_PORT": "0",
            "WORKER_CAPACITY": str(self._capacity),
            "OPENAI_BASE_URL": stage.models_url,
            "OPENAI_API_KEY": "bench",
            "SPOOL_DIR": str(stage.folder / "spool"),
            "RECORDINGS_DIR": str(stage.folder / "recordings"),
        }
        return await start(("agent",), stage.folder / f"{name}.log", environment)

    async def _has(self, seats: int) -> bool:
        return await self._capacity_told() >= seats

    async def _nobody(self) -> bool:
        return await self._capacity_told() == 0

    async def _capacity_told(self) -> int:
        answer = await self._http.get("/metrics")
        for line in answer.text.splitlines():
            if line.startswith("telephony_worker_capacity_calls "):
                return int(float(line.split()[1]))
        return 0

    async def _none_open(self, since: float) -> bool:
        return all(call["status"] == "ended" for call in await self._came_in(since))

    async def _came_in(self, since: float) -> list[dict[str, Any]]:
        begin = datetime.fromtimestamp(since, UTC).isoformat()
        params = {"created_from": begin, "direction": "inbound"}
        answer = await self._http.get("/calls", params=params)
        answer.raise_for_status()
        return answer.json()["calls"]

    async def _ended(self, call_id: str) -> bool:
        return (await self._http.get(f"/calls/{call_id}")).json()["status"] == "ended"
