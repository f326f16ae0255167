"""The browser's way into a call: the request behind the page's Connect button."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from dialer.calls.idempotency import fingerprint
from dialer.calls.place import Order, place
from dialer.calls.schemas import CallView, PlaceCall, ProblemView
from dialer.metrics import CALLS_PLACED
from dialer.tenants.authenticate import TenantId, TenantRoute
from dialer.wiring import services
from telephony.call import CallType

_PROBLEM: dict[str, Any] = {
    "model": ProblemView,
    "content": {"application/problem+json": {}},
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {**_PROBLEM} for status in (400, 401, 403, 404, 413, 415, 422, 429, 503)
}

router = APIRouter(tags=["calls"], route_class=TenantRoute)


class BrowserCall(PlaceCall):
    """A call from a browser: the fields of `POST /calls` that make sense for voip."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agent": "default"}]})

    call_type: CallType = Field(default=CallType.VOIP, description="Always `voip`.")

    @field_validator("call_type")
    @classmethod
    def _voip(cls, value: CallType) -> CallType:
        if value is not CallType.VOIP:
            raise PydanticCustomError("invalid_value", "A browser's call is a voip call")
        return value


class WayIn(BaseModel):
    """What a browser needs to join the call that was placed for it."""

    call: CallView
    livekit_url: str = Field(examples=["wss://media.example.com"])
    token: str = Field(
        description="Joins this room only, speaks and listens, and expires within 10 minutes.",
        repr=False,
    )
    room: str


@router.post("/api/token", response_model=WayIn, summary="Call from a browser", responses=_REFUSALS)
async def call_from_browser(command: BrowserCall, request: Request, tenant_id: TenantId) -> WayIn:
    """Place a voip call and give what the browser needs to join it.

    It is `POST /calls` with `call_type` `voip`, for pages: the sign-in cookie does as well as a
    key.
    """
    order = Order(
        tenant_id=tenant_id,
        command=command,
        key=None,
        body_hash=fingerprint(await request.json()),
    )
    body = (await place(order, services(request))).body
    CALLS_PLACED.labels(call_type=command.call_type.value).inc()
    return WayIn(
        call=CallView.model_validate(body),
        livekit_url=body["livekit_url"],
        token=body["participant_token"],
        room=body["room"],
    )
