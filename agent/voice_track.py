"""A track of the agent's voice, from its publishing until nothing of it is left.

Where a room ends with a track in it, the media library keeps that track for as long as the process
lives: a thread that wakes a hundred times a second, the threads and sockets of its connection
(livekit/rust-sdks#1443). A track that is withdrawn while the room is there leaves nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from livekit import rtc

from agent.logs import get_logger

#: How long the media library may take; a phone waits for its BYE meanwhile.
_PATIENCE: Final = 1.0

log = get_logger(__name__)


class VoiceTrack:
    """Publishes a source of sound, and takes it back.

    Shape: the source stays its maker's to close.
    """

    def __init__(self, name: str, source: rtc.AudioSource) -> None:
        self._name = name
        self._source = source
        self._room: rtc.Room | None = None
        self._track: rtc.LocalAudioTrack | None = None
        self._publishing: asyncio.Task[rtc.LocalTrackPublication] | None = None
        self._withdrawal: asyncio.Task[None] | None = None

    async def publish(self, room: rtc.Room) -> rtc.LocalTrackPublication:
        """Publish the track; whoever joins later is subscribed to it at once."""
        self._room = room
        self._track = rtc.LocalAudioTrack.create_audio_track(self._name, self._source)
        # Silence that it is given is sent like speech: a stream that never pauses is played without
        # a run-up, at the answer and at every reply.
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False, red=False
        )
        self._publishing = asyncio.create_task(
            room.local_participant.publish_track(self._track, options)
        )
        # Once asked for it is published, whether anybody waits or not, and must be known by then.
        return await asyncio.shield(self._publishing)

    async def withdraw(self) -> None:
        """Take the track back, before the room ends; a second time changes nothing."""
        if self._withdrawal is None:
            self._withdrawal = asyncio.create_task(self._withdraw())
        await asyncio.shield(self._withdrawal)

    async def _withdraw(self) -> None:
        room, publishing, track = self._room, self._publishing, self._track
        self._room = self._publishing = self._track = None
        if room is None or publishing is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                publication = await publishing
                # Once the room is gone, the answer would never come.
                if room.isconnected():
                    await room.local_participant.unpublish_track(publication.sid)
                else:
                    log.warning("track_left_behind")
        except Exception as error:
            log.warning("track_not_withdrawn", error=type(error).__name__)
        finally:
            # Whatever still refers to the track, a collector that runs some day among it.
            cast("Any", track)._ffi_handle.dispose()
