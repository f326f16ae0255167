"""The way that a call's first words take to the SIP bridge: a track that is still until then.

The bridge begins to play a stream when it holds three frames of 20 ms of it, and what follows waits
behind those for as long as the stream goes on: 60 ms at every word. A stream that pauses is
gathered anew. So the first words have a track that sends nothing before them, and their beginning
is sent faster than it is spoken: the three frames are there at once. Nothing but the bridge's
own five frames stands between this process and the callee's ear then, which a long speech should
not lean on: at its first pause the voice changes to the track with a queue of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
from livekit import rtc

from agent.voice_track import VoiceTrack

NAME: Final = "agent-first-words"

#: Units: seconds. How far the sending is ahead of the speech: more than the bridge's three frames,
#: and less than the five at which it drops the oldest, even if its clock is a frame late.
AHEAD: Final = 0.08
#: By how much later the bridge plays what comes on a track that never pauses.
_LATER: Final = 0.04
#: What counts as a pause when a whole frame is no louder: -46 dBFS.
_QUIET: Final = 164
#: What the media library takes at once where it keeps no queue.
_PIECE: Final = 0.01


class Outlet(Protocol):
    """What takes the voice's frames to those who listen."""

    @property
    def queued_duration(self) -> float:
        """Give how much of what was taken is still to be heard, in seconds."""
        ...

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame, once there is room for it."""
        ...

    def clear_queue(self) -> None:
        """Forget what can still be taken back."""
        ...

    async def wait_for_playout(self) -> None:
        """Wait until all was heard."""
        ...


class FirstWords:
    """Sends the beginning of a speech faster than it is spoken, and the rest at its pace.

    Shape: frames of up to half of ``AHEAD``; what was sent cannot be taken back.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._source = rtc.AudioSource(rate, 1, queue_size_ms=0)
        self._track = VoiceTrack(NAME, self._source)
        self._odd = False

    async def publish(self, room: rtc.Room) -> rtc.LocalTrackPublication:
        """Publish the track; until the first words it sends nothing but warm_up()."""
        return await self._track.publish(room)

    async def warm_up(self) -> None:
        """Have everybody on the way make what a stream's first packets make them make.

        Shape: as many frames of silence as the bridge plays by itself, so that none of them stays
        there in front of the first word.
        """
        await self._silence(AHEAD)
        await self._source.wait_for_playout()

    @property
    def queued_duration(self) -> float:
        """Give how far the sending is ahead, in seconds."""
        return self._source.queued_duration

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Send a frame, as soon as it would not be too far ahead."""
        early = self.queued_duration + frame.duration - AHEAD
        if early > 0:
            await asyncio.sleep(early)
        for piece in pieces(frame):
            await self._send(piece)

    def clear_queue(self) -> None:
        """Take nothing back: the bridge has it all."""

    async def wait_for_playout(self) -> None:
        """Wait until all was heard, with the end of it out of the encoder."""
        await self._silence((3 if self._odd else 2) * _PIECE)
        await self._source.wait_for_playout()

    async def nearly_heard(self) -> None:
        """Wait until what is sent elsewhere from now on is heard just after all of this."""
        await asyncio.sleep(max(self.queued_duration - _LATER, 0.0))

    async def withdraw(self) -> None:
        """Leave the room, which is about to end."""
        await self._track.withdraw()

    async def aclose(self) -> None:
        """Stop sending for good."""
        await self.withdraw()
        await self._source.aclose()

    async def _silence(self, seconds: float) -> None:
        for _ in range(round(seconds / _PIECE)):
            await self._send(rtc.AudioFrame.create(self._rate, 1, round(self._rate * _PIECE)))

    async def _send(self, piece: rtc.AudioFrame) -> None:
        # The encoder makes a packet of two pieces: an odd one stays in it.
        self._odd = not self._odd
        await self._source.capture_frame(piece)


def pieces(frame: rtc.AudioFrame) -> Iterator[rtc.AudioFrame]:
    """Cut a frame into pieces as long as the media library wants; the last is filled up."""
    length = round(frame.sample_rate * _PIECE)
    data = bytes(frame.data.cast("b"))
    for start in range(0, len(data), 2 * length):
        piece = data[start : start + 2 * length].ljust(2 * length, b"\0")
        yield rtc.AudioFrame(piece, frame.sample_rate, 1, length)


def is_quiet(frame: rtc.AudioFrame) -> bool:
    """Tell whether nothing in a frame is loud enough to be a word."""
    samples = np.frombuffer(frame.data, dtype=np.int16)
    return not np.any(np.abs(samples.astype(np.int32)) > _QUIET)
