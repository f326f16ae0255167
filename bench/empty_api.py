"""The same application with nothing in ``POST /calls``: ``python -m bench.empty_api``.

Everything around the route stays: middleware, loops, the look at the key, the strict reading of the
body, its validation, the headers, a full answer in the declared shape. ``/bare`` is a route with
none of these but the middleware.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, FastAPI, Header
from starlette.responses import JSONResponse

from dialer import logs
from dialer.app import create_app
from dialer.calls.schemas import PlaceCall, PlacedCall
from dialer.calls.view import new_call_view
from dialer.settings import Settings, load
from dialer.tenants.authenticate import TenantId, TenantRoute
from telephony import garbage

_BODY: dict[str, Any] = new_call_view(
    {
        "id": f"call_{'0' * 32}",
        "call_type": "sip",
        "direction": "outbound",
        "status": "queued",
        "phone_number": "+14155550151",
        "caller_id": "+14155550190",
        "agent": "default",
        "variables": {},
        "metadata": {"order": "4711"},
        "ring_timeout_seconds": 30,
        "max_duration_seconds": 600,
        "queued_at": datetime(2020, 1, 1, tzinfo=UTC),
    }
).model_dump(mode="json")


async def place_call(
    command: PlaceCall,
    tenant_id: TenantId,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> JSONResponse:
    """Take a command, and do nothing."""
    return JSONResponse(_BODY, status_code=202, headers={"Location": _BODY["links"]["self"]})


async def bare() -> JSONResponse:
    """Do nothing."""
    return JSONResponse(_BODY, status_code=202)


def emptied(app: FastAPI) -> FastAPI:
    """Put the empty routes before the real ones."""
    spare = APIRouter(route_class=TenantRoute)
    declared: dict[str, Any] = {"response_model": PlacedCall, "response_model_exclude_unset": True}
    spare.post("/calls", status_code=202, **declared)(place_call)
    plain = APIRouter()
    plain.post("/bare", status_code=202)(bare)
    app.router.routes[:0] = [*spare.routes, *plain.routes]
    return app


def main() -> None:
    """Serve until told to stop, as the dialer does."""
    settings = load(Settings)
    logs.configure(settings.log_level, settings.log_format)
    app = emptied(create_app(settings))
    garbage.spare_what_stays()
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
