"""The whole dialer, as it is run, over a real LiveKit and Redis; only workers are missing."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from livekit import api

from dialer import migrations
from dialer.adapters.database import Database
from dialer.adapters.livekit_session import LiveKitSession
from dialer.app import create_app
from dialer.tenants.keys import Keys
from dialer.tenants.tokens import Tokens
from telephony.dial_request import DialRequest
from tests.kit.api import AGENTS, settings
from tests.kit.servers import LIVEKIT_KEY, LIVEKIT_SECRET, MediaServers
from tests.kit.until import until

WORKER: dict[str, Any] = {
    "capacity": 5,
    "live_calls": 0,
    "version": "1",
    "agent_name": "telephony",
}


class Running:
    """The dialer, a client of its API, and LiveKit."""

    def __init__(
        self, http: httpx.AsyncClient, tokens: Tokens, livekit: LiveKitSession, *, prefix: str
    ) -> None:
        self.prefix = prefix
        self.http = http
        self.tokens = tokens
        self.livekit = livekit

    async def place(self) -> str:
        """Place a call."""
        body = {"call_type": "sip", "phone_number": "+14155550100"}
        answer = await self.http.post("/calls", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    async def call(self, call_id: str) -> dict[str, Any]:
        """Give a call."""
        return (await self.http.get(f"/calls/{call_id}")).json()

    async def until_call(self, call_id: str, **fields: Any) -> dict[str, Any]:
        """Wait until a call has these values."""

        async def there() -> dict[str, Any] | None:
            call = await self.call(call_id)
            return call if {name: call[name] for name in fields} == fields else None

        found = await until(there, timeout=20, what=f"{fields}")
        assert found is not None
        return found

    @contextlib.asynccontextmanager
    async def worker(self, worker_id: str) -> AsyncGenerator[None]:
        """Let a worker report itself as long as the block lasts."""
        headers = {"authorization": f"Bearer {self.tokens.mint_worker_token(worker_id)}"}

        async def report() -> None:
            while True:
                path = f"/internal/workers/{worker_id}"
                answer = await self.http.put(path, json=WORKER, headers=headers)
                assert answer.status_code == 200, answer.text
                await asyncio.sleep(1)

        task = asyncio.create_task(report())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest_asyncio.fixture
async def running(media: MediaServers, tmp_path: Path) -> AsyncGenerator[Running]:
    """Run the dialer with its loops."""
    # Workers that another test left in Redis are of another deployment.
    deployment = f"whole{secrets.token_hex(4)}"
    url = f"sqlite:///{tmp_path}/telephony.db"
    migrations.upgrade(url)
    (tmp_path / "agents.yaml").write_text(AGENTS)
    configured = settings(
        url,
        redis_url=media.redis_url,
        livekit_url=media.livekit_url,
        livekit_api_key=LIVEKIT_KEY,
        livekit_api_secret=LIVEKIT_SECRET,
        agents_file=str(tmp_path / "agents.yaml"),
        agent_join_timeout_seconds=1,
        deployment=deployment,
    )
    database = Database(url)
    async with database.transaction() as tx:
        key = (await Keys(tx, "default").create("test", now=datetime.now(UTC))).secret
    await database.close()
    livekit = LiveKitSession(url=media.livekit_url, api_key=LIVEKIT_KEY, api_secret=LIVEKIT_SECRET)
    app = create_app(configured)
    tokens = Tokens(configured.token_secret.get_secret_value(), now=lambda: datetime.now(UTC))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://dialer",
            headers={"authorization": f"Bearer {key}"},
        ) as http,
    ):
        yield Running(http, tokens, livekit, prefix=f"{deployment}-")
    await livekit.close()


@pytest.mark.fault("F14")
async def test_a_call_waits_for_a_worker_and_ends_when_none_takes_it(running: Running) -> None:
    call_id = await running.place()
    await running.until_call(call_id, status="queued", waiting_for="worker")

    async with running.worker("w1"):
        await running.until_call(call_id, status="dispatching")
        events = (await running.http.get(f"/calls/{call_id}/events")).json()["events"]
        room = f"{running.prefix}{events[0]['attempt_id']}"

        async def asked() -> DialRequest | None:
            listed = await running.livekit.client.agent_dispatch.list_dispatch(room)
            return DialRequest.from_metadata(listed[0].metadata) if listed else None

        request = await until(asked)
        assert request is not None and request.call_id == call_id
        assert request.trunk_id is not None and request.trunk_id.startswith("ST_")
        ended = await running.until_call(call_id, status="ended")

    assert (ended["outcome"], ended["ended_reason"]) == ("failed", "no_agent")
    told = (await running.http.get(f"/calls/{call_id}/events")).json()["events"]
    types = [event["type"] for event in told]
    assert types.count("call.dispatching") == 2 and "call.dialing" not in types


async def test_a_hang_up_while_the_agent_is_on_its_way_cancels_the_call(
    running: Running,
) -> None:
    call_id = await running.place()
    async with running.worker("w1"):
        await running.until_call(call_id, status="dispatching")
        answer = await running.http.post(f"/calls/{call_id}/hangup")
        assert answer.status_code in (200, 202), answer.text
        ended = await running.until_call(call_id, status="ended")
    assert (ended["outcome"], ended["ended_reason"]) == ("canceled", "api_hangup")

    async def no_room() -> bool:
        listed = await running.livekit.client.room.list_rooms(api.ListRoomsRequest())
        return not [room for room in listed.rooms if room.name.startswith(running.prefix)]

    await until(no_room, timeout=20)
