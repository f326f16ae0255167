"""Voice activity of a call, judged once for all who ask.

Where speech to text takes whole utterances, the framework finds them with a stream of the
session's detector, beside the one by which it takes turns: the same sound through the same model
twice. Here both listen to one stream. Who asked first feeds it; when that one leaves, the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable

from livekit import rtc
from livekit.agents import vad


class JudgedOnce(vad.VAD):
    """A detector whose streams are one; of one call, since all streams must be given the same.

    Shape: ``utterance_over`` is called at each end of speech, before anybody else hears of it.
    """

    def __init__(self, detector: vad.VAD, *, utterance_over: Callable[[], None]) -> None:
        super().__init__(capabilities=detector.capabilities)
        self._detector = detector
        self._utterance_over = utterance_over
        self._source: vad.VADStream | None = None
        self._pump: asyncio.Task[None] | None = None
        self._listeners: list[_Listener] = []

    @property
    def model(self) -> str:
        """Give the model's name."""
        return self._detector.model

    @property
    def provider(self) -> str:
        """Give the provider's name."""
        return self._detector.provider

    def stream(self) -> vad.VADStream:
        """Give one more listener to the one stream."""
        if self._source is None:
            self._source = self._detector.stream()
            self._pump = asyncio.create_task(self._tell(self._source))
        listener = _Listener(self)
        self._listeners.append(listener)
        return listener

    def feeds(self, listener: _Listener) -> vad.VADStream | None:
        """Give the stream to who feeds it, None to all others."""
        return self._source if self._listeners[:1] == [listener] else None

    async def leave(self, listener: _Listener) -> None:
        """Let a listener go; the last one takes the stream along."""
        if listener in self._listeners:
            self._listeners.remove(listener)
        if self._listeners or self._source is None or self._pump is None:
            return
        source, pump = self._source, self._pump
        self._source = self._pump = None
        await source.aclose()
        await asyncio.gather(pump, return_exceptions=True)

    async def _tell(self, source: vad.VADStream) -> None:
        failure: Exception | None = None
        try:
            resting = False
            async for event in source:
                rested, resting = resting, _nobody_speaks(event)
                if rested and resting:
                    # Nothing that was not told by the event before.
                    continue
                if event.type is vad.VADEventType.END_OF_SPEECH:
                    self._utterance_over()
                for listener in self._listeners:
                    listener.hear(event)
        except Exception as error:
            failure = error
        if self._source is source:
            # It ended by itself: who asks from now on gets another one.
            self._source = self._pump = None
        for listener in list(self._listeners):
            listener.end(failure)


def _nobody_speaks(event: vad.VADEvent) -> bool:
    return (
        event.type is vad.VADEventType.INFERENCE_DONE
        and not event.speaking
        and event.raw_accumulated_speech == 0
    )


class _Listener(vad.VADStream):
    """What one of them sees of the stream."""

    def __init__(self, shared: JudgedOnce) -> None:
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._shared = shared
        super().__init__(shared)
        # One reader: the framework would hand every event to its measurements too.
        self._event_aiter = self._event_ch

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[vad.VADEvent]) -> None:
        """Measure nothing: its measurements have no listener."""

    async def _main_task(self) -> None:
        await self._over

    def end(self, failure: Exception | None = None) -> None:
        """Say that nothing follows."""
        if self._over.done():
            return
        if failure is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(failure)

    def hear(self, event: vad.VADEvent) -> None:
        """Take an event of the stream."""
        if not self._event_ch.closed:
            self._event_ch.send_nowait(event)

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Pass the sound on, if it is ours to do so."""
        if (stream := self._shared.feeds(self)) is not None:
            stream.push_frame(frame)

    def flush(self) -> None:
        """Mark the end of a segment, if it is ours to do so."""
        if (stream := self._shared.feeds(self)) is not None:
            stream.flush()

    def end_input(self) -> None:
        """Say that no sound follows from here; another one may feed the stream."""
        self.end()

    async def aclose(self) -> None:
        """Leave the stream."""
        await self._shared.leave(self)
        await super().aclose()
