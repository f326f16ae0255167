"""Is the dialer alive, is it ready, and how much is it doing?"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Depends
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dialer import metrics
from dialer.adapters.database import Database
from dialer.adapters.tables import calls, tenants
from dialer.calls import endings
from dialer.routing import figures
from dialer.settings import HOW_TO_SET_A_TRUNK
from dialer.tenants.authenticate import BEARER, bearer, tenant_of_request
from dialer.wiring import Services, services
from telephony.call import CallStatus, CallType, EndedReason
from telephony.errors import TelephonyError, Unauthorized
from telephony.termination import outcome as outcome_of

router = APIRouter(tags=["health"])

#: Only for the OpenAPI document; ``prometheus`` does the work.
_METRICS_TOKEN = HTTPBearer(
    scheme_name="metricsToken",
    description="METRICS_TOKEN, where one is set; an API key is then not taken.",
    auto_error=False,
)

#: Units: seconds.
_PATIENCE = 2.0

#: Told from the start as 0: a series that began with its first call would hide that call from every
#: rate.
_EVERY_ENDING: Final = {
    (outcome_of(reason, answered=answered, media_seen=seen).value, reason.value): 0
    for reason in EndedReason
    for answered in (True, False)
    for seen in (True, False)
}


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    """Answer as long as the process serves requests; no dependency is asked."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Can calls be placed?",
    responses={
        503: {
            "description": "`missing` names each dependency that is not there, and why.",
            "content": {"application/json": {}},
        }
    },
)
async def readyz(request: Request) -> JSONResponse:
    """Say whether everything that a call needs is there; status 503 names what is missing."""
    missing = await missing_parts(services(request))
    ready = not missing
    told: dict[str, Any] = {"status": "ready" if ready else "not_ready", "missing": missing}
    livekits = services(request).livekits
    if livekits.fallback is not None:
        told["livekit"] = livekits.current.name.value
    return JSONResponse(told, status_code=200 if ready else 503)


async def missing_parts(wired: Services) -> dict[str, str]:
    """Name each dependency that is missing, with one sentence about it."""
    checks: dict[str, Callable[[], Awaitable[str | None]]] = {
        "database": lambda: _database(wired.database),
        "redis": lambda: _redis(wired),
        "livekit": lambda: _livekit(wired),
        "trunk": lambda: _trunk(wired),
        "worker": lambda: _worker(wired),
    }
    answers = await asyncio.gather(*(_patiently(check) for check in checks.values()))
    return {name: said for name, said in zip(checks, answers, strict=True) if said is not None}


async def _patiently(check: Callable[[], Awaitable[str | None]]) -> str | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await check()
    except TelephonyError as error:
        return error.message
    except TimeoutError:
        return "It does not answer."


async def _database(database: Database) -> str | None:
    async with database.reading() as connection:
        await connection.execute(select(tenants.c.id).limit(1))
    return None


async def _redis(wired: Services) -> str | None:
    await wired.ping_redis()
    return None


async def _livekit(wired: Services) -> str | None:
    livekit = wired.livekits.current
    await livekit.rooms.list(livekit.realm.prefix)
    return None


async def _trunk(wired: Services) -> str | None:
    if wired.settings.sip_trunk_address or await wired.directory.trunks():
        return None
    return f"SIP_TRUNK_ADDRESS is not set, nor is another trunk there. {HOW_TO_SET_A_TRUNK}"


async def _worker(wired: Services) -> str | None:
    livekit = wired.livekits.current
    if any(worker.takes_calls for worker in await livekit.presence.live()):
        return None
    if livekit is wired.livekits.fallback:
        return "No worker of the fallback takes calls: start one with WORKER_LIVEKIT=fallback."
    return "No worker is registered that takes calls: start one with `dialer worker`."


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}},
        401: {"description": "Neither METRICS_TOKEN nor, where none is set, an API key."},
    },
    dependencies=[Depends(BEARER), Depends(_METRICS_TOKEN)],
)
async def prometheus(request: Request) -> Response:
    """Give the metrics; needs METRICS_TOKEN as bearer token where one is set, else an API key."""
    wired = services(request)
    token = wired.settings.metrics_token.get_secret_value()
    if not token:
        await tenant_of_request(request)
    elif not hmac.compare_digest((bearer(request) or "").encode(), token.encode()):
        raise Unauthorized("unauthorized", "The credentials are missing or not valid.")
    scraped = await _scraped(wired)
    body = generate_latest(metrics.REGISTRY) + generate_latest(_Once(scraped))
    return Response(body, media_type=CONTENT_TYPE_LATEST)


class _Once(CollectorRegistry):
    """A registry that holds what was read for one scrape."""

    def __init__(self, families: list[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Any:
        """Give it."""
        return iter(self._families)


async def _scraped(wired: Services) -> list[Metric]:
    families: list[Metric] = []
    try:
        families += await _from_database(wired)
        families += await figures.read(wired.database, wired.directory, now=wired.now())
        metrics.DATABASE_UP.set(1)
    except TelephonyError:
        metrics.DATABASE_UP.set(0)
    # Absent series are how Prometheus is told that nothing is known.
    with suppress(TelephonyError):
        families += await _from_presence(wired)
    return families


async def _from_database(wired: Services) -> list[Metric]:
    statuses = [status.value for status in CallStatus if status is not CallStatus.ENDED]
    # Named one by one: "not ended" would be looked for among all that are.
    live = select(calls.c.status, func.count()).where(calls.c.status.in_(statuses))
    oldest = select(func.min(calls.c.queued_at)).where(
        calls.c.status == CallStatus.QUEUED.value, calls.c.call_type == CallType.SIP.value
    )
    async with wired.database.reading() as connection:
        counted = await connection.execute(live.group_by(calls.c.status))
        by_status: dict[str, int] = {str(row[0]): int(row[1]) for row in counted}
        by_end = await endings.counted(connection)
        since: datetime | None = (await connection.execute(oldest)).scalar_one()
    waited = 0.0 if since is None else max(0.0, (wired.now() - since).total_seconds())
    return [
        metrics.scraped("telephony_calls", [((s,), float(by_status.get(s, 0))) for s in statuses]),
        metrics.scraped(
            "telephony_calls_ended_total",
            [(ending, float(n)) for ending, n in (_EVERY_ENDING | by_end).items()],
        ),
        metrics.scraped("telephony_call_oldest_queued_seconds", [((), waited)]),
    ]


async def _from_presence(wired: Services) -> list[Metric]:
    workers = await wired.presence.live()
    states = {"ready": 0, "draining": 0, "cut_off": 0}
    for worker in workers:
        state = "draining" if worker.presence.draining else "cut_off"
        states["ready" if worker.takes_calls else state] += 1
    able = [worker.presence for worker in workers if worker.takes_calls]
    return [
        metrics.scraped("telephony_workers", [((s,), float(n)) for s, n in states.items()]),
        metrics.scraped(
            "telephony_worker_capacity_calls", [((), float(sum(p.capacity for p in able)))]
        ),
        metrics.scraped(
            "telephony_worker_live_calls",
            [((), float(sum(w.presence.live_calls for w in workers)))],
        ),
    ]
