"""Voice activity detection without the threads and readers that a call does not need.

The framework hands each window of 32 ms to a thread and waits for it: two wake-ups for a model
that answers sooner than either. Here the call's own loop asks the model; it lets the interpreter
go meanwhile, so that other calls are not held up.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any, cast

from livekit.agents import vad
from livekit.plugins import silero
from livekit.plugins.silero import onnx_model


class _AtOnce:
    """Does at once what a thread is asked for."""

    async def run_in_executor(self, _: object, call: Any, *arguments: Any) -> Any:
        return call(*arguments)


class _Stream(silero.VADStream):
    def __init__(self, detector: vad.VAD, options: Any, model: Any) -> None:
        super().__init__(cast("Any", detector), options, model)
        self._loop = cast("Any", _AtOnce())
        # Nobody but us reads it: the framework would hand every event to a second reader too.
        self._event_aiter = self._event_ch

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[vad.VADEvent]) -> None:
        """Measure nothing: its measurements have no listener."""


class Detector(silero.VAD):
    """The framework's detector, whose streams ask the model on the loop of their call."""

    def stream(self) -> Any:
        """Give a stream of its own to who asks."""
        model = onnx_model.OnnxModel(
            onnx_session=self._onnx_session, sample_rate=self._opts.sample_rate
        )
        return _Stream(self, self._opts, model)
