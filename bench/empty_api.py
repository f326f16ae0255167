"""The same application with nothing in ``POST /calls``: ``python -m bench.empty_api``.

Everything around the route stays: middleware, routing, loops. ``/calls`` still takes its body as
declared and answers with as much; ``/bare`` looks at nothing.
"""

from __future__ import annotations

from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse

from dialer import logs
from dialer.app import create_app
from dialer.calls.schemas import PlaceCall
from dialer.settings import Settings, load

_BODY: dict[str, Any] = {"id": "call_empty", "status": "queued", "filling": "." * 900}


async def place_call(command: PlaceCall) -> JSONResponse:
    """Take a command, and do nothing."""
    return JSONResponse(_BODY, status_code=202)


async def bare() -> JSONResponse:
    """Do nothing."""
    return JSONResponse(_BODY, status_code=202)


def emptied(app: FastAPI) -> FastAPI:
    """Put the empty routes before the real ones."""
    spare = FastAPI()
    spare.post("/calls", status_code=202)(place_call)
    spare.post("/bare", status_code=202)(bare)
    app.router.routes[:0] = spare.routes[-2:]
    return app


def main() -> None:
    """Serve until told to stop, as the dialer does."""
    settings = load(Settings)
    logs.configure(settings.log_level, settings.log_format)
    uvicorn.run(
        emptied(create_app(settings)),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
