"""Has the SIP bridge listen to the agent while the phone still rings.

By itself the bridge subscribes to the agent's track after the answer: a negotiation, then the
three frames that its mixer gathers before it plays the first, all of it silence at the callee's
ear. Until the answer it has nowhere to play to, so that nobody hears anything earlier.
"""

from __future__ import annotations

import aiohttp
from livekit import api, rtc
from livekit.api.room_service import RoomService

from agent.logs import get_logger

log = get_logger(__name__)


async def listen_early(rooms: RoomService, room: rtc.Room, identity: str) -> None:
    """Subscribe the bridge's participant to all that we publish.

    Shape: only once the bridge has published its own track; a track that comes before its room is
    ready it ignores for good. Errors: none; the bridge subscribes later by itself.
    """
    tracks = list(room.local_participant.track_publications)
    if not tracks:
        return
    request = api.UpdateSubscriptionsRequest(
        room=room.name, identity=identity, track_sids=tracks, subscribe=True
    )
    try:
        await rooms.update_subscriptions(request)
    except (api.ServerError, aiohttp.ClientError, TimeoutError, OSError) as error:
        log.info("bridge_listens_later", error=type(error).__name__)
