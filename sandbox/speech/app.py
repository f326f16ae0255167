"""Put the speech server together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from sandbox.speech import chat_routes, speech_routes, transcription_routes
from sandbox.speech.engines import Engines, build_engines
from sandbox.speech.models import LISTED_ALIASES, OWN_MODELS
from sandbox.speech.openai_errors import ApiError, install_error_handlers
from sandbox.speech.script import load_script
from sandbox.speech.settings import SpeechSettings

_CREATED = 1_767_225_600


def create_app(settings: SpeechSettings, *, engines: Engines | None = None) -> FastAPI:
    """Build the server; its engines load after it has started to answer."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        loading = asyncio.create_task(app.state.engines.start())
        yield
        loading.cancel()
        app.state.engines.close()

    app = FastAPI(title="Offline speech", lifespan=lifespan)
    app.state.engines = engines or build_engines(settings)
    app.state.script = load_script(settings.script)
    install_error_handlers(app)
    for module in (speech_routes, transcription_routes, chat_routes):
        app.include_router(module.router)
    app.add_api_route("/healthz", _healthz, methods=["GET"])
    app.add_api_route("/v1/models", _models, methods=["GET"])
    app.add_api_route("/v1/models/{name}", _model, methods=["GET"])
    return app


def _healthz(request: Request) -> JSONResponse:
    """Say which engines are loaded; 503 until they are."""
    engines: Engines = request.app.state.engines
    return JSONResponse(engines.health(), status_code=200 if engines.ready else 503)


def _models() -> dict[str, Any]:
    """List the models, and OpenAI's names that mean the same here."""
    return {"object": "list", "data": list(_catalogue().values())}


def _model(name: str) -> dict[str, Any]:
    found = _catalogue().get(name)
    if found is None:
        raise ApiError(404, f"The model '{name}' does not exist here.", code="model_not_found")
    return found


def _catalogue() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for own, description in OWN_MODELS.items():
        entries[own] = _entry(own, description)
        for alias in LISTED_ALIASES[own]:
            entries[alias] = _entry(alias, f"The same as {own}. {description}")
    return entries


def _entry(name: str, description: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": "sandbox",
        "description": description,
    }
