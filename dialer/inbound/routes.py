"""The route by which workers offer calls that came in."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request

from dialer.inbound.hand_over import hand_over
from dialer.inbound.offer import offer
from dialer.ingest.routes import Grant, Wired, read_json, token
from telephony.worker_contract import HandedOver, HandOver, InboundAnswer, InboundOffer

router = APIRouter()


@router.post("/internal/inbound", include_in_schema=False)
async def offer_call(request: Request, wired: Wired) -> InboundAnswer:
    """Take a call that came in, or say why not."""
    worker_id = wired.tokens.worker_of(token(request))
    return await offer(await read_json(request, InboundOffer), worker_id, wired)


@router.post("/internal/attempts/{attempt_id}/handover", include_in_schema=False)
async def take_caller(granted: Grant, request: Request, wired: Wired) -> HandedOver:
    """Take a caller from an agent that cannot speak."""
    told = await read_json(request, HandOver)
    return HandedOver(taken=await hand_over(granted, told, wired))
