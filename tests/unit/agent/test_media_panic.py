"""A panic of the media library is not taken for somebody's SIGTERM."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any, cast

import pytest
from livekit.rtc import _ffi_client
from livekit.rtc._proto import ffi_pb2

from agent.media_panic import PANICKED, tell_panics


def test_a_panic_comes_as_a_signal_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(_ffi_client), "signal", signal)  # Put back afterwards.
    sent: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        sent.append((pid, number))

    monkeypatch.setattr(os, "kill", kill)
    tell_panics()
    event = ffi_pb2.FfiEvent(panic=ffi_pb2.Panic(message="gone")).SerializeToString()
    held = (ctypes.c_uint8 * len(event)).from_buffer_copy(event)

    cast("Any", _ffi_client).ffi_event_callback(held, len(event))

    assert sent == [(os.getpid(), PANICKED)]
