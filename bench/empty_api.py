"""The same application with nothing in ``POST /calls``: ``python -m bench.empty_api``.

Everything around the route stays: middleware, routing, loops. The route itself answers with a
fixed body and looks at nothing, not even at the key.
"""

from __future__ import annotations

from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse

from dialer import logs
from dialer.app import create_app
from dialer.settings import Settings, load

_BODY: dict[str, Any] = {"id": "call_empty", "status": "queued"}


async def place_call() -> JSONResponse:
    """Answer, and do nothing."""
    return JSONResponse(_BODY, status_code=202)


def emptied(app: FastAPI) -> FastAPI:
    """Put the empty route in the place of the real one."""
    emptied_route = FastAPI()
    emptied_route.post("/calls", status_code=202)(place_call)
    app.router.routes.insert(0, emptied_route.routes[-1])
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
