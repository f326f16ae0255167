"""The end of a turn: not before all that was said in it is written down.

Speech to text that takes whole utterances answers some hundred milliseconds after each. Whoever
pauses in the middle of a turn makes two of them; the framework ends the turn when the second is
over, with the words of the first, replies to half of what was said, and takes the other half for a
turn of its own. Source: https://github.com/livekit/agents/issues/6504.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, cast

from livekit.agents import LanguageCode, UserInputTranscribedEvent, llm, stt

#: Units: seconds. A model that takes longer is waited for no more: half a turn beats none.
_LONGEST: Final = 3.0


class WholeTurns:
    """A turn detector that has no opinion and only waits for the words; one for each call.

    Shape: what the framework asks of a turn detector. ``utterance_over`` is called before the
    framework hears of the end of an utterance.
    """

    model = "voice activity"
    provider = "telephony"

    def __init__(self) -> None:
        self._unwritten = 0
        self._closing = False
        self._all_written = asyncio.Event()
        self._all_written.set()

    def close(self) -> None:
        """Wait for nothing any more: the framework's own end of a session waits for a turn's."""
        self._closing = True
        self._all_written.set()

    def utterance_over(self) -> None:
        """Note an utterance whose words will come."""
        if self._closing:
            return
        self._unwritten += 1
        self._all_written.clear()

    def on_words(self, event: UserInputTranscribedEvent) -> None:
        """Note that the framework has the words of an utterance."""
        if event.is_final:
            self._written()

    def listen_to(self, ears: stt.STT[Any]) -> None:
        """Have utterances noted in which nothing was understood: no event tells of these."""
        recognize: Callable[..., Awaitable[stt.SpeechEvent]] = ears.recognize

        @wraps(recognize)
        async def noted(*args: Any, **named: Any) -> stt.SpeechEvent:
            understood = False
            try:
                event = await recognize(*args, **named)
                understood = bool(event.alternatives and event.alternatives[0].text)
            finally:
                if not understood:
                    self._written()
            return event

        cast("Any", ears).recognize = noted

    async def predict_end_of_turn(
        self, chat_ctx: llm.ChatContext, *, timeout: float | None = None
    ) -> float:
        """Wait until nothing is being written down any more; then the turn is over."""
        try:
            await asyncio.wait_for(self._all_written.wait(), _LONGEST)
        except TimeoutError:
            # Whatever became of the words, the next turn does not wait for them once more.
            self._unwritten = 0
            self._all_written.set()
        return 1.0

    async def unlikely_threshold(self, language: LanguageCode | None) -> float | None:
        """Give no threshold: nothing is ever judged unlikely."""
        return None

    async def supports_language(self, language: LanguageCode | None) -> bool:
        """Say yes: no words are looked at."""
        return True

    def _written(self) -> None:
        self._unwritten = max(0, self._unwritten - 1)
        if not self._unwritten:
            self._all_written.set()
