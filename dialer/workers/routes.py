"""The route by which workers say that they are there."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request

from dialer.ingest.routes import Wired, read_json, token
from telephony.worker_contract import Welcome, WorkerPresence

router = APIRouter()

#: Ids are names in Redis and in logs.
WorkerId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


@router.put("/internal/workers/{worker_id}", include_in_schema=False)
async def report_presence(worker_id: WorkerId, request: Request, wired: Wired) -> Welcome:
    """Take a worker's word, every two seconds."""
    wired.tokens.verify_worker_token(token(request), worker_id)
    presence = await read_json(request, WorkerPresence)
    await wired.presence.put(worker_id, presence)
    if presence.live_calls < presence.capacity and not presence.draining:
        await wired.signals.work_waiting()
    return Welcome(phrases=wired.agents.standing_in)
