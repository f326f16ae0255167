"""Plays the apology to a caller, in a process of its own for as long as it lasts.

The media library is large and has threads of its own; a dialer that never needs it never loads it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import wave
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from dialer.calls.rooms import Rooms
from dialer.inbound.second_leg import ANNOUNCER_WAITS
from telephony.worker_contract import ANNOUNCER_IDENTITY

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

SHIPPED: Final = Path(__file__).with_name("apology.wav")
LONGEST: Final = timedelta(seconds=30)
#: What the playing process says when the caller was answered and the line begins.
HEARD: Final = b"heard"
#: All that the playing process is given of the environment: where its code is, and how LiveKit is
#: reached. Secrets of the dialer's are none of its business.
NEEDS: Final = (
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "LIVEKIT_LIB_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    *(f"{scheme}_PROXY" for scheme in ("HTTP", "HTTPS", "ALL", "NO")),
    *(f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")),
)
_RATES: Final = range(8000, 48001)
#: Each is a process with the media library in it. Who calls while all are busy hears ringing.
_AT_ONCE: Final = 8
#: Units: seconds. Start of a process, the way into the room, the answer, and the line itself.
_WITHIN: Final = 45.0
_TOKEN_LIFE: Final = timedelta(minutes=2)


class NotPlayable(Exception):
    """A file that cannot be played to a caller, and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as samples of 16 bit, mono."""

    rate: int
    samples: bytes

    @property
    def seconds(self) -> float:
        """Give its length."""
        return len(self.samples) / 2 / self.rate


def read_line(path: Path) -> Line:
    """Read a WAV file.

    Errors: NotPlayable.
    """
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                raise NotPlayable("it is not of 16 bit and one channel")
            if file.getframerate() not in _RATES:
                raise NotPlayable("its rate is not between 8000 and 48000")
            if file.getnframes() > LONGEST.total_seconds() * file.getframerate():
                raise NotPlayable(f"it is longer than {LONGEST.seconds} seconds")
            line = Line(file.getframerate(), file.readframes(file.getnframes()))
    except (OSError, EOFError, wave.Error) as error:
        raise NotPlayable(f"it is no WAV file that can be read: {error}") from None
    if not line.samples:
        raise NotPlayable("it is empty")
    return line


class ProcessAnnouncer:
    """The port ``dialer.inbound.second_leg.Announcer``.

    Shape: ``path`` is the WAV file, None for none; one that cannot be played is told once and never
    tried. ``environment`` is the whole of the playing process's; see ``NEEDS``.
    """

    def __init__(
        self,
        rooms: Rooms,
        *,
        url: str,
        path: Path | None = SHIPPED,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._rooms = rooms
        self._url = url
        self._environment = dict(environment or {})
        self._path = path
        self._ready = path is not None and _playable(path)
        self._free = asyncio.Semaphore(_AT_ONCE)

    @property
    def ready(self) -> bool:
        """Whether there is a line to play."""
        return self._ready

    async def play(self, room: str, caller: str, heard: Callable[[], Awaitable[None]]) -> bool:
        """Play the line in a room to its end."""
        try:
            async with asyncio.timeout(ANNOUNCER_WAITS.total_seconds()):
                await self._free.acquire()
        except TimeoutError:
            log.error("apology not played", room=room, error="too many at once")
            return False
        try:
            return await self._play(room, caller, heard)
        finally:
            self._free.release()

    async def _play(self, room: str, caller: str, heard: Callable[[], Awaitable[None]]) -> bool:
        token = self._rooms.token(room, ANNOUNCER_IDENTITY, _TOKEN_LIFE)
        order = {"url": self._url, "token": token, "caller": caller, "path": str(self._path)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dialer.adapters.playing",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
        )
        try:
            async with asyncio.timeout(_WITHIN):
                await _follow(process, json.dumps(order).encode(), heard)
                return await process.wait() == 0
        except (TimeoutError, OSError) as error:
            log.error("apology not played", room=room, error=type(error).__name__)
            return False
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def _follow(
    process: asyncio.subprocess.Process, order: bytes, heard: Callable[[], Awaitable[None]]
) -> None:
    # On a command line the token would be for everybody on the machine to read.
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(order)
    process.stdin.close()
    async for line in process.stdout:
        if line.strip() == HEARD:
            await heard()


def _playable(path: Path) -> bool:
    try:
        read_line(path)
    except NotPlayable as error:
        log.error("apology cannot be played", path=str(path), why=str(error))
        return False
    return True
