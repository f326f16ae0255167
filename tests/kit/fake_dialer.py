"""A dialer that only has its internal routes: gives permits, takes events, notes presence.

Tests of the worker run against it where the dialer itself is not the point.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from telephony.worker_contract import (
    Acknowledged,
    EventBatch,
    InboundAnswer,
    InboundOffer,
    InboundRefused,
    Permit,
    PermitRequest,
    Returned,
    WorkerPresence,
)


@dataclass
class FakeDialer:
    """Keeps what workers report, and answers as told.

    Shape: set ``failing`` to a status to have every route answer it; ``refuse`` holds the attempts
    that get no permit. ``deaf`` names attempts whose events are never to be taken.
    """

    failing: int | None = None
    #: Set to have it take requests and answer none, as a frozen process does.
    stands_still: bool = False
    refuse: set[str] = field(default_factory=set[str])
    deaf: dict[str, int] = field(default_factory=dict[str, int])
    permits: list[str] = field(default_factory=list[str])
    offers: list[InboundOffer] = field(default_factory=list[InboundOffer])
    returned: list[str] = field(default_factory=list[str])
    #: Attempts whose asking was withdrawn, with the asking's name.
    withdrawn: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _asked_by: dict[str, str] = field(default_factory=dict[str, str])
    tokens: list[str] = field(default_factory=list[str])
    presence: dict[str, WorkerPresence] = field(default_factory=dict[str, WorkerPresence])
    presence_count: int = 0
    batches: list[tuple[str, list[int]]] = field(default_factory=list[tuple[str, list[int]]])
    _events: dict[str, dict[int, dict[str, Any]]] = field(
        default_factory=lambda: defaultdict[str, dict[int, dict[str, Any]]](dict)
    )
    _runner: web.AppRunner | None = None
    url: str = ""

    def events(self, attempt_id: str) -> list[dict[str, Any]]:
        """Give an attempt's events in their order, each as it came on the wire."""
        return [event for _, event in sorted(self._events[attempt_id].items())]

    def types(self, attempt_id: str) -> list[str]:
        """Give the types of an attempt's events in their order."""
        return [event["type"] for event in self.events(attempt_id)]

    def ended(self, attempt_id: str) -> dict[str, Any] | None:
        """Give the data of the attempt's end, once it was told."""
        ends = [e["data"] for e in self.events(attempt_id) if e["type"] == "call.ended"]
        return ends[0] if ends else None

    async def start(self, port: int = 0) -> None:
        """Listen on a loopback port."""
        app = web.Application()
        app.router.add_put("/internal/workers/{id}", self._on_presence)
        app.router.add_post("/internal/inbound", self._on_offer)
        app.router.add_post("/internal/attempts/{id}/permit", self._on_permit)
        app.router.add_post("/internal/attempts/{id}/permit/return", self._on_return)
        app.router.add_post("/internal/attempts/{id}/permit/withdraw", self._on_withdraw)
        app.router.add_post("/internal/attempts/{id}/events", self._on_events)
        # A request that it holds back must not hold up its end.
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        address = self._runner.addresses[0]
        self.url = f"http://{address[0]}:{address[1]}"

    async def stop(self) -> None:
        """Stop listening; what was told is kept."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _on_presence(self, request: web.Request) -> web.Response:
        if self.stands_still:
            await asyncio.Event().wait()
        if self.failing is not None:
            return web.Response(status=self.failing)
        said = WorkerPresence.model_validate_json(await request.read())
        self.presence[request.match_info["id"]] = said
        self.presence_count += 1
        return web.json_response({"phrases": []})

    async def _on_offer(self, request: web.Request) -> web.Response:
        if self.failing is not None:
            return web.Response(status=self.failing)
        self.tokens.append(request.headers.get("Authorization", ""))
        self.offers.append(InboundOffer.model_validate_json(await request.read()))
        answer = InboundAnswer(refused=InboundRefused.UNKNOWN_NUMBER)
        return web.json_response(text=answer.model_dump_json())

    async def _on_permit(self, request: web.Request) -> web.Response:
        if self.failing is not None:
            return web.Response(status=self.failing)
        attempt_id = request.match_info["id"]
        self.tokens.append(request.headers.get("Authorization", ""))
        asked = PermitRequest.model_validate_json(await request.read())
        if attempt_id in self.refuse:
            return web.json_response({"code": "permit_refused"}, status=409)
        if self._asked_by.setdefault(attempt_id, asked.asked_by) != asked.asked_by:
            return web.json_response({"code": "permit_refused"}, status=409)
        if attempt_id not in self.permits:
            self.permits.append(attempt_id)
        return web.json_response(text=Permit().model_dump_json())

    async def _on_withdraw(self, request: web.Request) -> web.Response:
        if self.failing is not None:
            return web.Response(status=self.failing)
        asked = PermitRequest.model_validate_json(await request.read())
        self.withdrawn.append((request.match_info["id"], asked.asked_by))
        return web.json_response(text=Returned().model_dump_json())

    async def _on_return(self, request: web.Request) -> web.Response:
        if self.failing is not None:
            return web.Response(status=self.failing)
        attempt_id = request.match_info["id"]
        if attempt_id not in self.permits:
            return web.json_response({"code": "permit_refused"}, status=409)
        self.permits.remove(attempt_id)
        self._asked_by.pop(attempt_id, None)
        self.returned.append(attempt_id)
        return web.json_response(text=Returned().model_dump_json())

    async def _on_events(self, request: web.Request) -> web.Response:
        attempt_id = request.match_info["id"]
        status = self.failing or self.deaf.get(attempt_id)
        if status is not None:
            return web.Response(status=status)
        self.tokens.append(request.headers.get("Authorization", ""))
        batch = EventBatch.model_validate_json(await request.read())
        self.batches.append((attempt_id, [event.sequence for event in batch.events]))
        for event in batch.events:
            self._events[attempt_id].setdefault(event.sequence, event.model_dump(mode="json"))
        last = max(self._events[attempt_id])
        return web.json_response(text=Acknowledged(acknowledged=last).model_dump_json())
