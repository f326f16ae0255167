"""Check and read the webhooks of a real LiveKit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jwt
from google.protobuf.json_format import ParseError
from livekit import api
from livekit.protocol.models import DisconnectReason, ParticipantInfo

from dialer.ingest.livekit_webhook import Webhook
from telephony.errors import Unauthorized


class LiveKitWebhooks:
    """The port ``dialer.ingest.livekit_webhook.WebhookReader``."""

    def __init__(self, *, api_key: str, api_secret: str) -> None:
        self._receiver = api.WebhookReceiver(api.TokenVerifier(api_key, api_secret))

    def read(self, body: bytes, authorization: str) -> Webhook:
        """Read a webhook whose signature covers these very bytes."""
        token = authorization.removeprefix("Bearer ").strip()
        try:
            event: Any = self._receiver.receive(body.decode("utf-8"), token)
            return _webhook(event)
        except (
            jwt.InvalidTokenError,
            UnicodeDecodeError,
            ParseError,
            ValueError,
            TypeError,
            OverflowError,
            OSError,
        ) as error:
            raise _refused() from error
        except Exception as error:
            # The receiver raises a bare Exception for a hash that is missing or of another body.
            if type(error) is not Exception:
                raise
            raise _refused() from error


def _refused() -> Unauthorized:
    return Unauthorized("unauthorized", "The webhook is not signed with our key.")


def _name(enum: Any, value: int) -> str:
    return enum.Name(value) if value in enum.values() else "UNKNOWN_REASON"


def _webhook(event: Any) -> Webhook:
    participant = event.participant
    # A newer LiveKit may have reasons and kinds that this SDK has no name for.
    reason = _name(DisconnectReason, participant.disconnect_reason)
    return Webhook(
        id=event.id,
        event=event.event,
        created_at=datetime.fromtimestamp(event.created_at, UTC),
        room=event.room.name,
        identity=participant.identity,
        kind=_name(ParticipantInfo.Kind, participant.kind).lower(),
        disconnect_reason=None if reason == "UNKNOWN_REASON" else reason.lower(),
    )
