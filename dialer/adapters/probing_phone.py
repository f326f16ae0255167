"""A phone that `dialer trunks doctor` calls from: by the road of every call, into its own room.

What it says is a tone, and what it hears is looked through for it: a number that echoes shows in
both directions whether audio passes.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import struct
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc

from trunks.doctor.calling import Outcome
from trunks.errors import TrunkError

if TYPE_CHECKING:
    from trunks.desired import LiveKit

#: Units: seconds.
_RINGS = 30
_LONGEST = 60
_LISTENS = 6.0
#: Units: hertz. The tone has a whole number of periods in a frame.
_RATE = 8_000
_FRAME = _RATE // 50
_TONE = 650
_AMPLITUDE = 8_000
#: Of full scale; quieter is no sound.
_LOUD = 300.0
#: Of the power that a frame has, what belongs to the tone when the frame is the tone.
_MOSTLY = 0.5
#: Frames, half a second of them, so that no other voice is taken for the tone.
_ENOUGH = 25
_SAID = struct.pack(
    f"<{_FRAME}h",
    *(int(_AMPLITUDE * math.sin(2 * math.pi * _TONE * n / _RATE)) for n in range(_FRAME)),
)


@dataclass
class Ear:
    """Counts the frames that are audible, and those of them that are our own tone."""

    loud: int = 0
    echoed: int = 0

    def hear(self, samples: bytes) -> None:
        """Judge one frame of 16 bits at 8 kHz."""
        values = struct.unpack(f"<{len(samples) // 2}h", samples)
        power = sum(value * value for value in values)
        if not values or math.sqrt(power / len(values)) < _LOUD:
            return
        self.loud += 1
        turn = 2 * math.pi * _TONE / _RATE
        real = sum(value * math.cos(turn * n) for n, value in enumerate(values))
        imaginary = sum(value * math.sin(turn * n) for n, value in enumerate(values))
        of_the_tone = 2 * (real * real + imaginary * imaginary) / len(values)
        self.echoed += of_the_tone > _MOSTLY * power


class ProbingPhone:
    """The port ``trunks.doctor.calling.Phone`` over LiveKit."""

    def __init__(self, livekit: LiveKit) -> None:
        self._url = livekit.url
        self._keys = (livekit.api_key, livekit.api_secret.get_secret_value())

    async def call(self, trunk_id: str, number: str, *, caller: str) -> Outcome:
        """Call, listen and hang up. Errors: TrunkError where LiveKit cannot be reached."""
        name = f"doctor-{secrets.token_hex(8)}"
        request = api.CreateSIPParticipantRequest(
            sip_trunk_id=trunk_id,
            sip_call_to=number,
            sip_number=caller,
            room_name=name,
            participant_identity="phone",
            participant_name="phone",
            hide_phone_number=True,
            wait_until_answered=True,
            ringing_timeout=Duration(seconds=_RINGS),
            max_call_duration=Duration(seconds=_RINGS + _LONGEST),
        )
        try:
            async with self._room(name) as (livekit, heard):
                return await self._called(livekit, request, heard)
        except (aiohttp.ClientError, rtc.ConnectError, TimeoutError, OSError) as error:
            raise TrunkError(
                "unreachable",
                "LiveKit cannot be reached.",
                "Check LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.",
                retryable=True,
            ) from error

    async def _called(
        self, livekit: api.LiveKitAPI, request: api.CreateSIPParticipantRequest, heard: _Heard
    ) -> Outcome:
        began = time.monotonic()
        try:
            await livekit.sip.create_sip_participant(request, timeout=_RINGS + 15)
        except api.ServerError as error:
            return _refused(error, time.monotonic() - began)
        took = time.monotonic() - began
        packets = await heard.for_a_while()
        return Outcome(
            answered=True,
            took=took,
            packets=packets,
            loud=heard.ear.loud >= _ENOUGH,
            echoed=heard.ear.echoed >= _ENOUGH,
        )

    @asynccontextmanager
    async def _room(self, name: str) -> AsyncGenerator[tuple[api.LiveKitAPI, _Heard]]:
        """Sit in a room of one's own and say the tone, until the block ends."""
        timeout = aiohttp.ClientTimeout(total=_RINGS + _LONGEST)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            livekit = api.LiveKitAPI(self._url, *self._keys, session=session, failover=False)
            await _made(livekit, name)
            room, heard = rtc.Room(), _Heard()
            heard.from_room(room)
            try:
                await room.connect(self._url, self._token(name))
                async with _humming(room):
                    yield livekit, heard
            finally:
                await heard.stop()
                # Before its room is deleted: connections that the server closes under the media
                # library now and then end the whole process (a panic in its teardown).
                await room.disconnect()
                with suppress(api.ServerError, aiohttp.ClientError, TimeoutError, OSError):
                    await livekit.room.delete_room(api.DeleteRoomRequest(room=name))

    def _token(self, name: str) -> str:
        token = api.AccessToken(*self._keys).with_identity("doctor")
        return token.with_grants(api.VideoGrants(room_join=True, room=name)).to_jwt()


async def _made(livekit: api.LiveKitAPI, name: str) -> None:
    request = api.CreateRoomRequest(name=name, empty_timeout=10, departure_timeout=5)
    try:
        await livekit.room.create_room(request)
    except api.ServerError as error:
        raise TrunkError("refused", f"LiveKit makes no room: {error.code}.") from error


def _refused(error: api.ServerError, took: float) -> Outcome:
    status = error.sip_status_code if isinstance(error, api.SipCallError) else None
    reason = error.sip_status if isinstance(error, api.SipCallError) else None
    return Outcome(
        answered=False,
        sip_status=status,
        sip_reason=reason or "",
        code=error.code,
        http_status=error.status,
        message=error.message,
        took=took,
    )


class _Heard:
    """What comes in from the phone."""

    def __init__(self) -> None:
        self.ear = Ear()
        self._recognised = asyncio.Event()
        self._tracks: list[rtc.Track] = []
        self._listening: list[asyncio.Task[None]] = []

    def from_room(self, room: rtc.Room) -> None:
        """Listen to every track of a room."""
        room.on("track_subscribed", self._subscribed)  # pyright: ignore[reportUnknownMemberType]

    def _subscribed(self, track: rtc.Track, *_: object) -> None:
        self._tracks.append(track)
        self._listening.append(asyncio.create_task(self._listen(track)))

    async def for_a_while(self) -> int:
        """Listen; gives how many packets came. Ends early once all is known."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LISTENS):
                await self._recognised.wait()
        return sum([await _packets(track) for track in self._tracks])

    async def stop(self) -> None:
        """Listen no more."""
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=_RATE, num_channels=1, frame_size_ms=20)
        try:
            async for event in stream:
                self.ear.hear(bytes(event.frame.data))
                if self.ear.echoed >= _ENOUGH:
                    self._recognised.set()
        finally:
            await stream.aclose()


async def _packets(track: rtc.Track) -> int:
    for stats in await track.get_stats():
        if stats.HasField("inbound_rtp"):
            return int(stats.inbound_rtp.received.packets_received)
    return 0


@asynccontextmanager
async def _humming(room: rtc.Room) -> AsyncGenerator[None]:
    source = rtc.AudioSource(_RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
    publication = await room.local_participant.publish_track(track, options)
    mouth = asyncio.create_task(_hum(source))
    try:
        yield
    finally:
        mouth.cancel()
        await asyncio.gather(mouth, return_exceptions=True)
        if room.isconnected():
            # A track that is still there when its room ends is never let go of.
            await room.local_participant.unpublish_track(publication.sid)
        await source.aclose()


async def _hum(source: rtc.AudioSource) -> None:
    while True:
        await source.capture_frame(rtc.AudioFrame(_SAID, _RATE, 1, _FRAME))
