"""The agent's mouth and ear: the track it speaks on, and the gate before what it hears.

The track is published, and the greeting waits in it, before anybody is rung; at the answer open()
lets the first frame go without a detour. The ear is shut until then, so that ringing and
announcements before the answer are never taken for the callee's words.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from livekit import rtc
from livekit.agents import io, utils

from agent.first_words import FirstWords, Outlet, is_quiet
from agent.recorder import SAMPLE_RATE as RECORDED_RATE
from agent.recorder import Samples
from agent.voice_track import VoiceTrack

VOICE_RATE: Final = 24_000
#: What the ear delivers: the rate of the voice activity detector, so that nothing is resampled.
EAR_RATE: Final = 16_000
_FRAME: Final = 0.04
_QUEUE: Final = 0.2
#: Units: characters in a second.
_FASTEST_SPEECH: Final = 25.0
#: How much of what was heard just before the gate opened still counts: the answer is told to us a
#: moment after it happened.
_PRE_ROLL_FRAMES: Final = 6


def samples_of(frame: rtc.AudioFrame) -> Samples:
    """Give a frame's samples as an array."""
    return np.frombuffer(frame.data, dtype=np.int16)


class Captions(io.TextOutput):
    """Knows the words of the segment that is being spoken, and how many of them were heard.

    The framework's own synchroniser measures the speech itself, word by word; it costs a call more
    than its voice does (60 ms of computing for a greeting). The share of the audio that was played
    tells the same.
    """

    def __init__(self) -> None:
        super().__init__(label="Captions", next_in_chain=None)
        self._text = ""
        self._done = False

    async def capture_text(self, text: str) -> None:
        """Take words of the current segment, or the first ones of the next."""
        if self._done:
            self._text, self._done = "", False
        self._text += text

    def flush(self) -> None:
        """Mark the end of the segment's words."""
        self._done = True

    def heard(self, played: float, captured: float) -> str:
        """Give the words that were heard in the first ``played`` of ``captured`` seconds.

        The words may run ahead of an audio that is still being made: they are never taken to be
        spoken faster than people speak.
        """
        if played <= 0 or captured <= 0:
            return ""
        share = min(played / captured, 1.0) * len(self._text)
        return _whole_words(self._text, round(min(share, played * _FASTEST_SPEECH)))


def _whole_words(text: str, length: int) -> str:
    if length >= len(text):
        return text
    cut = text[: length + 1]
    return cut[: cut.rfind(" ")].rstrip() if " " in cut else ""


class Mouth(io.AudioOutput):
    """Plays the agent's speech on a track of its own, one segment after another.

    Shape: ``heard`` is called with each stretch of samples and the monotonic moment at which it is
    played, ``cut`` with the moment at which playing stopped early. With ``first_words`` the first
    segment, until its first pause, takes the way that is shorter to a phone.
    """

    def __init__(
        self,
        captions: Captions,
        *,
        heard: Callable[[Samples, float], None],
        cut: Callable[[float], None],
        first_words: bool = False,
    ) -> None:
        super().__init__(
            label="Mouth",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=VOICE_RATE,
        )
        self._captions = captions
        self._heard = heard
        self._cut = cut
        self._source = rtc.AudioSource(VOICE_RATE, 1, queue_size_ms=int(_QUEUE * 1000))
        self._track = VoiceTrack("agent", self._source)
        self._first = FirstWords(VOICE_RATE) if first_words else None
        self._outlet: Outlet = self._first or self._source
        self._chunks = utils.audio.AudioByteStream(
            VOICE_RATE, 1, samples_per_channel=int(VOICE_RATE * _FRAME)
        )
        self._for_record = rtc.AudioResampler(VOICE_RATE, RECORDED_RATE)
        self._waiting: deque[rtc.AudioFrame] = deque()
        self._recent: deque[rtc.AudioFrame] = deque(maxlen=int(_QUEUE / _FRAME) + 2)
        self._wake = asyncio.Event()
        #: Set while nothing waits to be handed to the source.
        self._idle = asyncio.Event()
        self._idle.set()
        self._opened = asyncio.Event()
        self._paused = False
        self._segment = 0
        self._captured = 0.0
        self._played = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False
        self._drains: set[asyncio.Task[None]] = set()
        #: When playing last ended or was last under way, monotonic.
        self.last_heard = 0.0

    async def publish(self, room: rtc.Room) -> None:
        """Publish the track; whoever joins later is subscribed to it at once."""
        publish = self._track.publish(room)
        if self._first is None:
            heard_on = (await publish,)
        else:
            later, first = await asyncio.gather(publish, self._first.publish(room))
            self._tasks.append(asyncio.create_task(self._warm_up(self._first, first)))
            # The voice may change to the other track at its first pause: both must be heard.
            heard_on = (first, later)
        self._tasks.append(asyncio.create_task(self._pump(*heard_on)))

    def open(self) -> None:
        """Let out what waits, and what follows."""
        self._opened.set()

    @property
    def speaking(self) -> bool:
        """Whether something is being played or waits to be."""
        return self._captured > 0

    async def withdraw(self) -> None:
        """Leave the room, which is about to end; nothing is heard from then on."""
        tracks = [self._track] if self._first is None else [self._track, self._first]
        await asyncio.gather(*(track.withdraw() for track in tracks))

    async def aclose(self) -> None:
        """Stop playing for good."""
        await utils.aio.cancel_and_wait(*self._tasks, *self._drains)
        await self.withdraw()
        await self._source.aclose()
        if self._first is not None:
            await self._first.aclose()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame to be played; never waits."""
        await super().capture_frame(frame)
        for chunk in self._chunks.push(frame.data):
            self._take(chunk)

    def flush(self) -> None:
        """Mark the end of the segment."""
        super().flush()
        for chunk in self._chunks.flush():
            self._take(chunk)
        if self._captured:
            task = asyncio.create_task(self._drain(self._segment))
            self._drains.add(task)
            task.add_done_callback(self._drains.discard)

    def clear_buffer(self) -> None:
        """Stop at once and forget the rest of the segment."""
        self._chunks.clear()
        if self._captured:
            unplayed = self._outlet.queued_duration
            self._waiting.clear()
            self._idle.set()
            self._silence()
            self._finish(max(self._played - unplayed, 0.0), interrupted=True)

    def pause(self) -> None:
        """Stop at once and keep the rest for resume()."""
        super().pause()
        self._paused = True
        back = 0
        if self._outlet is self._source:
            back = min(round(self._source.queued_duration / _FRAME), len(self._recent))
        for _ in range(back):
            frame = self._recent.pop()
            self._waiting.appendleft(frame)
            self._played -= frame.duration
        if back:
            self._idle.clear()
            self._silence()
        self._outlet = self._source

    def resume(self) -> None:
        """Go on where pause() stopped."""
        super().resume()
        self._paused = False
        self._wake.set()

    def _take(self, frame: rtc.AudioFrame) -> None:
        self._waiting.append(frame)
        self._captured += frame.duration
        self._idle.clear()
        self._wake.set()

    def _silence(self) -> None:
        self._outlet.clear_queue()
        self._cut(time.monotonic())

    def _finish(self, position: float, *, interrupted: bool) -> None:
        words = self._captions.heard(position, self._captured) if interrupted else None
        self._segment += 1
        self._captured = self._played = 0.0
        self._started = False
        self._recent.clear()
        self._outlet = self._source
        self.last_heard = time.monotonic()
        self.on_playback_finished(
            playback_position=position, interrupted=interrupted, synchronized_transcript=words
        )

    async def _warm_up(self, first: FirstWords, publication: rtc.LocalTrackPublication) -> None:
        await publication.wait_for_subscription()
        if not self._opened.is_set():
            await first.warm_up()

    async def _pump(self, *publications: rtc.LocalTrackPublication) -> None:
        await self._opened.wait()
        for publication in publications:
            await publication.wait_for_subscription()
        while True:
            while self._paused or not self._waiting:
                self._wake.clear()
                if not self._waiting:
                    self._idle.set()
                await self._wake.wait()
            await self._play(self._waiting.popleft())

    async def _play(self, frame: rtc.AudioFrame) -> None:
        segment = self._segment
        if not self._started:
            self._started = True
            self.on_playback_started(created_at=time.time())
        outlet = self._outlet
        starts = time.monotonic() + outlet.queued_duration
        self._played += frame.duration
        self._recent.append(frame)
        await outlet.capture_frame(frame)
        if segment != self._segment:
            # The segment was stopped while this frame was on its way in.
            outlet.clear_queue()
            return
        self.last_heard = starts + frame.duration
        for resampled in self._for_record.push(frame):
            self._heard(samples_of(resampled), starts)
        if self._first is not None and outlet is self._first and is_quiet(frame):
            # A pause hides the change to the queue, in which this process may be late.
            await self._first.nearly_heard()
            self._outlet = self._source

    async def _drain(self, segment: int) -> None:
        while segment == self._segment:
            await self._idle.wait()
            await self._outlet.wait_for_playout()
            if segment == self._segment and not self._waiting and self._idle.is_set():
                self._finish(self._played, interrupted=False)


class Ear(io.AudioInput):
    """Hears the callee through a gate that is shut until the answer."""

    def __init__(self, source: io.AudioInput, *, heard: Callable[[Samples], None]) -> None:
        super().__init__(label="Ear", source=source)
        self._heard = heard
        self._open = False
        self._before: deque[rtc.AudioFrame] = deque(maxlen=_PRE_ROLL_FRAMES)

    def open(self) -> None:
        """Let through what is heard from now on, and the last moment before."""
        self._open = True

    async def __anext__(self) -> rtc.AudioFrame:
        while True:
            if self._open and self._before:
                return self._before.popleft()
            frame = await super().__anext__()
            if not self._open:
                self._before.append(frame)
                continue
            self._heard(samples_of(frame))
            if self._before:
                self._before.append(frame)
                return self._before.popleft()
            return frame
