"""The second witness: what LiveKit itself reports, signed, over its webhooks.

They come late, twice or not at all; so they are kept as facts and wake the reaper, which looks for
itself. They never end a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.adapters.tables import attempts
from dialer.calls.record import Fact, record
from telephony.errors import Unauthorized
from telephony.events import EventType, Source

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: Units: bytes.
MAX_BODY = 1024 * 1024
MAX_AGE = timedelta(minutes=5)
MEDIA_TYPES = frozenset({"application/webhook+json", "application/json"})

_TYPES = {
    "participant_joined": EventType.ROOM_PARTICIPANT_JOINED,
    "participant_left": EventType.ROOM_PARTICIPANT_LEFT,
    "room_finished": EventType.ROOM_FINISHED,
}


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook of LiveKit's, its signature checked."""

    id: str
    event: str
    created_at: datetime
    room: str
    identity: str = ""
    kind: str = ""
    disconnect_reason: str | None = None


class WebhookReader(Protocol):
    """Checks signatures and reads bodies."""

    def read(self, body: bytes, authorization: str) -> Webhook:
        """Read a webhook.

        Errors: Unauthorized when its signature does not cover this body or was made with another
        key.
        """
        ...


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A webhook about a call of ours; ``news`` is False when it was known already."""

    tenant_id: str
    call_id: str
    news: bool


def check_age(webhook: Webhook, *, now: datetime) -> None:
    """Refuse a webhook that somebody may have kept.

    Errors: Unauthorized.
    """
    if abs(now - webhook.created_at) > MAX_AGE:
        raise Unauthorized("unauthorized", "The webhook is too old.")


async def store(tx: AsyncConnection, webhook: Webhook, *, now: datetime) -> Witnessed | None:
    """Record what LiveKit says about a room of ours; None for any other room or event."""
    event = _TYPES.get(webhook.event)
    if event is None or not webhook.room:
        return None
    query = select(attempts.c.tenant_id, attempts.c.call_id, attempts.c.id).where(
        attempts.c.room == webhook.room
    )
    attempt = (await tx.execute(query)).first()
    if attempt is None:
        return None
    told = {
        "identity": webhook.identity,
        "kind": webhook.kind,
        "disconnect_reason": webhook.disconnect_reason,
    }
    fact = Fact(
        tenant_id=attempt.tenant_id,
        call_id=attempt.call_id,
        attempt_id=attempt.id,
        type=event,
        source=Source.LIVEKIT,
        source_sequence=webhook.id[:128],
        occurred_at=webhook.created_at,
        data={} if event is EventType.ROOM_FINISHED else told,
    )
    done = await record(tx, fact, now=now)
    return Witnessed(attempt.tenant_id, attempt.call_id, news=done is not None)
