"""The routes of the two witnesses, and of the permit."""

from __future__ import annotations

from secrets import token_hex
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from dialer import metrics
from dialer.calls import takeover
from dialer.calls.permit import permit
from dialer.calls.returning import REFUSALS, take_back, trunk_of, withdraw
from dialer.failpoints import Failpoint, passing
from dialer.ingest import livekit_webhook, worker_events
from dialer.ingest.worker_events import Batch
from dialer.problems import BadRequest
from dialer.reading import MAX_ANY_BODY, check_headers, loads, read_limited
from dialer.routing.turn import slow_down, wait_for_turn
from dialer.tenants.authenticate import bearer
from dialer.tenants.tokens import AttemptGrant
from dialer.wiring import Services, services
from telephony.errors import Unauthorized
from telephony.worker_contract import (
    Acknowledged,
    Permit,
    PermitRequest,
    Return,
    Returned,
    ReturnReason,
    Standing,
    TakeOver,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

router = APIRouter()

Wired = Annotated[Services, Depends(services)]
Model = TypeVar("Model", bound=BaseModel)


def grant(attempt_id: str, request: Request, wired: Wired) -> AttemptGrant:
    """Check the attempt's own token.

    Errors: Unauthorized.
    """
    return wired.tokens.verify_attempt_token(token(request), attempt_id)


def token(request: Request) -> str:
    """Give the bearer token.

    Errors: Unauthorized when there is none.
    """
    given = bearer(request)
    if given is None:
        raise Unauthorized("unauthorized", "The credentials are missing or not valid.")
    return given


Grant = Annotated[AttemptGrant, Depends(grant)]


@router.post("/internal/attempts/{attempt_id}/permit", include_in_schema=False)
async def ask_permit(granted: Grant, request: Request, wired: Wired) -> Permit:
    """Let the worker dial, once."""
    if await request.body():
        asked = await read_json(request, PermitRequest)
    else:  # A worker of an earlier version, which does not ask again.
        asked = PermitRequest(asked_by=token_hex(8))
    await _its_turn(granted, wired)
    async with wired.database.transaction() as tx:
        call_id = await permit(tx, granted, asked.asked_by, now=wired.now())
    passing(Failpoint.PERMIT_AFTER_COMMIT)
    await wired.signals.call_changed(granted.tenant_id, call_id)
    await wired.signals.work_waiting()
    return Permit()


async def _its_turn(granted: AttemptGrant, wired: Services) -> None:
    async with wired.database.reading() as connection:
        name = await trunk_of(connection, granted)
    for trunk in await wired.directory.trunks():
        if trunk.name == name:
            await wait_for_turn(trunk, wired.pacer)


@router.post("/internal/attempts/{attempt_id}/permit/return", include_in_schema=False)
async def return_permit(granted: Grant, told: Return, wired: Wired) -> Returned:
    """Take back a permit with which nobody was rung."""
    if told.why is ReturnReason.TOO_FAST:
        metrics.TRUNK_SLOWDOWNS.inc()
        async with wired.database.reading() as connection:
            trunk = await trunk_of(connection, granted)
        if trunk is not None:
            await slow_down(trunk, wired.pacer)
    trunks = await wired.directory.trunks()
    async with wired.database.transaction() as tx:
        trunk = await trunk_of(tx, granted)
        call_id = await take_back(tx, granted, told.why, trunks=trunks, now=wired.now())
    if trunk is not None and told.why in REFUSALS:
        metrics.TRUNK_REFUSALS.labels(trunk=trunk, why=told.why.value).inc()
    passing(Failpoint.RETURN_AFTER_COMMIT)
    # The room is left to the next claim and the sweep: deleted now, its agent would take that for
    # a hang-up before it has this answer.
    await wired.signals.call_changed(granted.tenant_id, call_id)
    await wired.signals.work_waiting()
    return Returned()


@router.post("/internal/attempts/{attempt_id}/permit/withdraw", include_in_schema=False)
async def withdraw_request(granted: Grant, request: Request, wired: Wired) -> Returned:
    """Hear that an asker got no answer and has left, dialling nobody."""
    asked = await read_json(request, PermitRequest)
    async with wired.database.transaction() as tx:
        call_id = await withdraw(tx, granted, asked.asked_by, now=wired.now())
    await wired.signals.call_changed(granted.tenant_id, call_id)
    await wired.signals.work_waiting()
    return Returned()


@router.get("/internal/attempts/{attempt_id}", include_in_schema=False)
async def ask_standing(granted: Grant, wired: Wired) -> Standing:
    """Tell a worker whether the attempt is still its own."""
    async with wired.database.reading() as connection:
        return Standing(current=await worker_events.is_current(connection, granted))


@router.post("/internal/attempts/{attempt_id}/takeover", include_in_schema=False)
async def ask_takeover(granted: Grant, request: Request, wired: Wired) -> Standing:
    """Let one worker of those that were asked take a conversation over."""
    asker = await read_json(request, TakeOver)
    async with wired.database.transaction() as tx:
        return Standing(current=await takeover.take(tx, granted, asker.worker_id))


@router.post(
    "/internal/attempts/{attempt_id}/events",
    include_in_schema=False,
    # A worker of an earlier version knows no field that it was not told of.
    response_model_exclude_defaults=True,
)
async def report_events(granted: Grant, request: Request, wired: Wired) -> Acknowledged:
    """Take a batch of the worker's events."""
    batch = await read_json(request, Batch)
    async with wired.database.transaction() as tx:
        stored = await worker_events.store(tx, granted, batch, now=wired.now())
    passing(Failpoint.EVENTS_AFTER_COMMIT)
    if stored.moved:
        await wired.signals.call_changed(granted.tenant_id, stored.call_id)
    if stored.slot:
        await wired.signals.work_waiting()
    return Acknowledged(acknowledged=stored.acknowledged, superseded=stored.superseded)


@router.post("/webhooks/livekit", include_in_schema=False)
async def livekit(request: Request, wired: Wired) -> dict[str, str]:
    """Take a webhook of LiveKit's; what is not about a call of ours is taken and forgotten."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in livekit_webhook.MEDIA_TYPES:
        raise BadRequest("unsupported_media_type", "A webhook is sent as application/webhook+json.")
    body = await read_limited(request, livekit_webhook.MAX_BODY)
    webhook = wired.webhooks.read(body, request.headers.get("authorization", ""))
    livekit_webhook.check_age(webhook, now=wired.now())
    async with wired.database.transaction() as tx:
        witnessed = await livekit_webhook.store(tx, webhook, now=wired.now())
    metrics.LIVEKIT_WEBHOOKS.labels("ignored" if witnessed is None else "taken").inc()
    if witnessed is None:
        if webhook.room.startswith(f"{wired.settings.deployment}-"):
            # A caller's room, as long as no agent has offered the call: how long that may last is
            # counted from the first look.
            await wired.signals.rooms_changed()
        return {"status": "ignored"}
    if witnessed.news:
        await wired.signals.call_changed(witnessed.tenant_id, witnessed.call_id)
        await wired.signals.rooms_changed()
    return {"status": "taken"}


async def read_json(request: Request, model: type[Model]) -> Model:
    """Read the body strictly into a model.

    Errors: BadRequest.
    """
    check_headers(request)
    value: Any = loads(await read_limited(request, MAX_ANY_BODY))
    try:
        return model.model_validate(value)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BadRequest(
            "invalid_value", "The message is not of the contract.", field=where
        ) from None
