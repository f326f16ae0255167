"""Tells a panic of the media library from an operator's SIGTERM.

Source: livekit 1.x, ``_ffi_client.ffi_event_callback``: at a panic, as when a room's thread was too
busy to take its first event, the library sends SIGTERM to its own process, which would then look
as if somebody had asked for its end.
"""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any, Final, cast

from livekit.rtc import _ffi_client

#: What the library sends in SIGTERM's place.
PANICKED: Final = signal.SIGUSR1


def tell_panics() -> None:
    """Let panics of the media library come as a signal of their own."""
    cast("Any", _ffi_client).signal = SimpleNamespace(SIGTERM=PANICKED)
