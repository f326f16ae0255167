"""Webhooks of either LiveKit: each may speak of its own rooms and of no other's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from dialer.ingest.livekit_webhook import Webhook, WebhookReader
from dialer.livekits.livekit import Realm
from telephony.errors import Unauthorized


class WebhooksOfEach:
    """The port ``WebhookReader`` over one for each LiveKit's key."""

    def __init__(self, *readers: tuple[Realm, WebhookReader]) -> None:
        self._readers = readers

    def read(self, body: bytes, authorization: str) -> Webhook:
        """Read a webhook that one of them signed; of another's room it tells of no room."""
        signed: Webhook | None = None
        for realm, reader in self._readers:
            with suppress(Unauthorized):
                signed = reader.read(body, authorization)
                if realm.holds(signed.room):
                    return signed
        if signed is None:
            raise Unauthorized("unauthorized", "The webhook is not signed with a key of ours.")
        return replace(signed, room="")
