"""Somebody in a browser, as far as LiveKit can tell: joins, speaks, listens."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from typing import Any, Final, cast

import numpy as np
from livekit import rtc

from bench.models import ALL_DELAYS

_RATE: Final = 24_000
_FRAME: Final = _RATE // 50
_SAYS: Final = "Yes, that time suits me well."
#: The level above which a frame is sound: -45 dBFS.
_AUDIBLE: Final = 184.0
_PAUSE: Final = 0.6
_PATIENCE: Final = 8.0


def spoken() -> bytes:
    """Have the line spoken by espeak-ng, without silence at its end.

    Shape: 24 kHz, mono, signed 16 bit.
    """
    command = ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", _SAYS]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    samples = np.frombuffer(wav[44 : len(wav) - len(wav) % 2], dtype="<i2").astype(np.float64)
    rate = int.from_bytes(wav[24:28], "little")
    at = np.arange(0, len(samples), rate / _RATE)
    resampled = np.interp(at, np.arange(len(samples)), samples)
    loud = np.flatnonzero(np.abs(resampled) > 4 * _AUDIBLE)
    return resampled[: int(loud[-1]) + 1].astype("<i2").tobytes()


class BrowserCaller:
    """One caller.

    Units: ``replies`` in milliseconds, less the models' delays; ``first_audio`` the same, from
    having joined with a microphone, None while nothing was heard.
    """

    def __init__(self, url: str, token: str, line: bytes) -> None:
        self._url = url
        self._token = token
        self._line = line
        self._room = rtc.Room()
        self._source = rtc.AudioSource(_RATE, 1, queue_size_ms=100)
        self._heard_at = 0.0
        self._onset = 0.0
        self._began = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.first_audio: float | None = None
        self.replies: list[float] = []

    async def talk(self, seconds: float) -> None:
        """Join, wait for the greeting, and speak in turns for so long."""
        cast("Any", self._room).on("track_subscribed", self._on_track)
        try:
            await self._room.connect(self._url, self._token)
            track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            await self._room.local_participant.publish_track(track, options)
            await self._converse(time.monotonic(), time.monotonic() + seconds)
        finally:
            for task in self._tasks:
                task.cancel()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._room.disconnect(), 5)
            await self._source.aclose()

    async def _converse(self, joined: float, until: float) -> None:
        if await self._sound_since(joined):
            self.first_audio = (self._onset - joined) * 1000
        while time.monotonic() < until:
            await self._quiet()
            ended = await self._say()
            if await self._sound_since(ended):
                self.replies.append((self._onset - ended - ALL_DELAYS) * 1000)

    async def _say(self) -> float:
        for start in range(0, len(self._line), 2 * _FRAME):
            piece = self._line[start : start + 2 * _FRAME]
            await self._source.capture_frame(rtc.AudioFrame(piece, _RATE, 1, len(piece) // 2))
        await self._source.wait_for_playout()
        return time.monotonic()

    async def _sound_since(self, moment: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while self._onset < moment:
                    self._began.clear()
                    await self._began.wait()
        return self._onset >= moment

    async def _quiet(self) -> None:
        left = self._heard_at + _PAUSE - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)
            await self._quiet()

    def _on_track(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            task = asyncio.ensure_future(self._listen(track))
            self._tasks.add(task)

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1)
        async for event in stream:
            samples = np.frombuffer(event.frame.data, dtype=np.int16).astype(np.float64)
            if np.sqrt(np.mean(samples**2)) > _AUDIBLE:
                now = time.monotonic()
                if now - self._heard_at > _PAUSE / 2:
                    self._onset = now
                    self._began.set()
                self._heard_at = now
