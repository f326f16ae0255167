"""The route by which workers say that they are there."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from starlette.requests import Request

from dialer.ingest.routes import Wired, read_json, token
from dialer.workers.jobs import Jobs
from telephony.worker_contract import JOB_WAIT, LiveKitName, Welcome, WorkerPresence

router = APIRouter()

#: Ids are names in Redis and in logs.
WorkerId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


@router.put("/internal/workers/{worker_id}", include_in_schema=False)
async def report_presence(worker_id: WorkerId, request: Request, wired: Wired) -> Welcome:
    """Take a worker's word, every second and at every change."""
    wired.tokens.verify_worker_token(token(request), worker_id)
    presence = await read_json(request, WorkerPresence)
    await wired.presence.put(worker_id, presence)
    if presence.live_calls < presence.capacity and not presence.draining:
        await wired.signals.work_waiting()
    return Welcome(phrases=wired.agents.kept_ready)


@router.get("/internal/workers/{worker_id}/job", include_in_schema=False)
async def ask_for_job(
    worker_id: WorkerId,
    free: Annotated[int, Query(ge=1, le=1000)],
    request: Request,
    wired: Wired,
    livekit: LiveKitName = LiveKitName.OWN,
) -> Response:
    """Let a worker with free seats wait for a job; who goes away while waiting gets none."""
    wired.tokens.verify_worker_token(token(request), worker_id)
    where = wired.livekits.named(livekit)
    # Of a LiveKit that is not set here no job will come; it asks again, and may be luckier then.
    jobs = Jobs() if where is None else where.jobs
    waiting = jobs.wait(worker_id, free=free, within=JOB_WAIT.total_seconds())
    asked = asyncio.ensure_future(waiting)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait([asked, gone], return_when=asyncio.FIRST_COMPLETED)
        job = asked.result() if asked.done() else None
    finally:
        asked.cancel()
        gone.cancel()
    if job is None:
        return Response(status_code=204)
    return Response(job.model_dump_json(), media_type="application/json")


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
