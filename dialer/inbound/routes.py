"""The route by which workers offer calls that came in."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request

from dialer.inbound.offer import offer
from dialer.ingest.routes import Wired, read_json, token
from telephony.worker_contract import InboundAnswer, InboundOffer

router = APIRouter()


@router.post("/internal/inbound", include_in_schema=False)
async def offer_call(request: Request, wired: Wired) -> InboundAnswer:
    """Take a call that came in, or say why not."""
    worker_id = wired.tokens.worker_of(token(request))
    return await offer(await read_json(request, InboundOffer), worker_id, wired)
