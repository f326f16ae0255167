"""The calls, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from dialer.calls import hang_up as hanging_up
from dialer.calls.idempotency import check_key, fingerprint
from dialer.calls.place import Order, place
from dialer.calls.schemas import (
    CallList,
    CallView,
    EventList,
    PlaceCall,
    PlacedCall,
    ProblemView,
    Transcript,
)
from dialer.calls.store import Calls, Cursor, Filter
from dialer.calls.stream import stream
from dialer.calls.view import call_view, event_view, transcript
from dialer.metrics import CALLS_PLACED
from dialer.problems import BadRequest
from dialer.querying import KNOWN_PARAMETERS_ONLY
from dialer.tenants.authenticate import TenantId, TenantRoute, still_welcome
from dialer.wiring import services
from telephony.call import CallStatus, CallType, Direction, Outcome
from telephony.events import EventType
from telephony.numbers import E164


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {"application/problem+json": {}}
    return {status: {"model": ProblemView, "content": content} for status in statuses}


router = APIRouter(
    prefix="/calls",
    tags=["calls"],
    route_class=TenantRoute,
    responses=_problems(401, 422, 503),
)


@router.post(
    "",
    status_code=202,
    response_model=PlacedCall,
    response_model_exclude_unset=True,
    summary="Place a call",
    responses=_problems(400, 403, 404, 409, 413, 415, 429)
    | {
        202: {
            "description": "The call is written down; for voip its room is open too.",
            "headers": {
                "Idempotent-Replayed": {
                    "description": "`true` when this is the first answer to the same request again",
                    "schema": {"type": "string"},
                }
            },
        }
    },
)
async def place_call(
    command: PlaceCall,
    request: Request,
    tenant_id: TenantId,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="1 to 255 printable ASCII characters; kept for 7 days.",
        ),
    ] = None,
) -> JSONResponse:
    """Place a call; the answer comes before anybody is rung.

    With an `Idempotency-Key`, the same request sent again gives the first answer again and places
    nothing.
    """
    order = Order(
        tenant_id=tenant_id,
        command=command,
        key=check_key(_only(request, "idempotency-key")),
        body_hash=fingerprint(await request.json()),
    )
    placed = await place(order, services(request))
    if not placed.replayed:
        CALLS_PLACED.labels(call_type=command.call_type.value).inc()
    headers = {"Location": placed.body["links"]["self"]}
    if placed.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(placed.body, status_code=202, headers=headers)


def _only(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise BadRequest(
            "invalid_idempotency_key",
            "The Idempotency-Key comes more than once.",
            field="Idempotency-Key",
        )
    return values[0] if values else None


@router.get("", response_model=CallList, summary="List calls", dependencies=[KNOWN_PARAMETERS_ONLY])
async def list_calls(
    request: Request,
    tenant_id: TenantId,
    status: CallStatus | None = None,
    outcome: Outcome | None = None,
    call_type: CallType | None = None,
    direction: Direction | None = None,
    phone_number: Annotated[str | None, Query(examples=["+14155550100"])] = None,
    created_from: Annotated[AwareDatetime | None, Query(description="Included.")] = None,
    created_to: Annotated[AwareDatetime | None, Query(description="Not included.")] = None,
    cursor: Annotated[str | None, Query(max_length=256)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> CallList:
    """List calls, the newest first."""
    wanted = Filter(
        status=status,
        outcome=outcome,
        call_type=call_type,
        direction=direction,
        phone_number=None if phone_number is None else str(E164.parse(_plus(phone_number))),
        created_from=created_from,
        created_to=created_to,
    )
    start = None if cursor is None else Cursor.parse(cursor)
    async with services(request).database.reading() as connection:
        rows, following = await Calls(connection, tenant_id).page(wanted, cursor=start, limit=limit)
    return CallList(
        calls=[call_view(row) for row in rows],
        next_cursor=None if following is None else str(following),
    )


def _plus(number: str) -> str:
    # A plus that was not written as %2B is a space in an address.
    return f"+{number[1:]}" if number.startswith(" ") else number


@router.get("/{call_id}", response_model=CallView, summary="Get a call", responses=_problems(404))
async def get_call(call_id: str, request: Request, tenant_id: TenantId) -> CallView:
    """Tell where a call is, and how it ended."""
    async with services(request).database.reading() as connection:
        return call_view(await Calls(connection, tenant_id).get(call_id))


@router.get(
    "/{call_id}/events",
    response_model=EventList,
    summary="List or follow a call's events",
    dependencies=[KNOWN_PARAMETERS_ONLY],
    responses=_problems(404)
    | {
        200: {
            "description": "A page of events, or with `Accept: text/event-stream` all of them as "
            "they happen until the call has ended.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "To a stream that resumes: the call is over and all of it was told."},
    },
)
async def list_events(
    call_id: str,
    request: Request,
    tenant_id: TenantId,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="A sequence.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Any:
    """Tell what happened in a call, in the order in which it was learned."""
    wired = services(request)
    following = "text/event-stream" in request.headers.get("accept", "")
    if following and last_event_id and last_event_id.isdecimal():
        after = min(int(last_event_id[:10]), 2**31 - 1)
    async with wired.database.reading() as connection:
        calls = Calls(connection, tenant_id)
        call = await calls.get(call_id)
        rows = await calls.events(call_id, after=after, limit=limit + 1)
    if not following:
        page = [event_view(row) for row in rows[:limit]]
        return EventList(events=page, next_after=page[-1].sequence if len(rows) > limit else None)
    if (last_event_id or after) and not rows and call.status == CallStatus.ENDED.value:
        return Response(status_code=204)
    return StreamingResponse(
        stream(tenant_id, call_id, after=after, wired=wired, still=lambda: still_welcome(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get(
    "/{call_id}/transcript",
    response_model=Transcript,
    summary="Read what both sides said",
    responses=_problems(404),
)
async def get_transcript(call_id: str, request: Request, tenant_id: TenantId) -> Transcript:
    """Tell the words of both sides, turn by turn, as far as they were spoken."""
    async with services(request).database.reading() as connection:
        calls = Calls(connection, tenant_id)
        call = await calls.get(call_id)
        turns = await calls.events(
            call_id, after=0, limit=10_000, types=(EventType.CALL_TURN.value,)
        )
    return transcript(call_id, turns, complete=call.status == CallStatus.ENDED.value)


@router.post(
    "/{call_id}/hangup",
    status_code=202,
    response_model=CallView,
    summary="Hang up",
    responses=_problems(404) | {200: {"model": CallView, "description": "The call was over."}},
)
async def hang_up(
    call_id: str, request: Request, response: Response, tenant_id: TenantId
) -> CallView:
    """End a call: it is canceled before the answer, hung up after it, and left alone when over."""
    done = await hanging_up.hang_up(tenant_id, call_id, services(request))
    if done.over:
        response.status_code = 200
    return done.view
