"""The polite ends of a conversation: a farewell, quiet for too long, the longest duration."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle

from agent.ending import End, Ending
from agent.lines import FAREWELL_PATIENCE, TAIL, Lines
from agent.sound import Mouth
from telephony.call import EndedReason
from telephony.dial_request import DialRequest

#: Units: seconds.
_LOOK_EVERY: Final = 0.25
_LONGEST_ANNOUNCEMENT: Final = 90.0


class PoliteEnding:
    """Sees when a conversation should end, and lets the last line be heard first.

    Shape: ``start`` runs work until the conversation is closed.
    """

    def __init__(
        self,
        request: DialRequest,
        *,
        lines: Lines,
        session: AgentSession[None],
        mouth: Mouth,
        end: End,
        start: Callable[[Awaitable[None]], None],
    ) -> None:
        self._request = request
        self._lines = lines
        self._session = session
        self._mouth = mouth
        self._end = end
        self._start = start
        self._quiet_since = time.monotonic()
        self._prompted = False
        self.leaving = False

    def begin(self) -> None:
        """The other side is there: from now on quiet and duration count."""
        self._quiet_since = time.monotonic()
        self._start(self._watch_quiet())
        self._start(self._watch_duration())

    def touch(self, *, by_callee: bool = True) -> None:
        """Note that it is not quiet."""
        self._quiet_since = time.monotonic()
        if by_callee:
            self._prompted = False

    def hang_up_after(self, farewell: SpeechHandle) -> None:
        """End the call once the agent has said its farewell."""
        if not self.leaving:
            self.leaving = True
            self._start(self._leave(EndedReason.AGENT_HANGUP, farewell))

    def leave_after(self, announcement: SpeechHandle) -> None:
        """End the call once a caller outside the hours has heard the line that says so."""
        self.leaving = True
        self._start(self._close(announcement))

    async def _close(self, announcement: SpeechHandle) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(_spoke(announcement), _LONGEST_ANNOUNCEMENT)
        await asyncio.sleep(TAIL)
        self._end.decide(Ending(EndedReason.CLOSED))

    async def _leave(self, reason: EndedReason, farewell: SpeechHandle | None) -> None:
        """Let the farewell be heard to its end, then end the call."""
        self.leaving = True
        with contextlib.suppress(Exception):
            async with asyncio.timeout(FAREWELL_PATIENCE):
                if farewell is None or not await _spoke(farewell):
                    await self._session.interrupt()
                    goodbye = await self._lines.goodbye()
                    await self._lines.say(goodbye, interruptible=False)
        await asyncio.sleep(TAIL)
        self._end.decide(Ending(reason))

    async def _watch_duration(self) -> None:
        limit = self._time_left()
        goodbye = 2.0
        with contextlib.suppress(Exception):
            goodbye = (await self._lines.goodbye()).duration
        await asyncio.sleep(max(limit - min(goodbye + TAIL, limit / 2), 1.0))
        self._start(self._leave(EndedReason.MAX_DURATION, None))
        await asyncio.sleep(goodbye + 3.0)
        self._end.decide(Ending(EndedReason.MAX_DURATION))

    def _time_left(self) -> float:
        limit = float(self._request.limits.max_duration_seconds)
        rescue = self._request.rescue
        if rescue is None:
            return limit
        return max(limit - (datetime.now(UTC) - rescue.answered_at).total_seconds(), 1.0)

    async def _watch_quiet(self) -> None:
        limit = self._request.agent.silence_timeout_seconds
        while not self.leaving:
            await asyncio.sleep(_LOOK_EVERY)
            if self._busy:
                self.touch(by_callee=self._session.user_state == "speaking")
            quiet = time.monotonic() - self._quiet_since
            if quiet >= limit / 2 and not self._prompted:
                self._prompted = True
                await self._lines.prompt()
            elif quiet >= limit / 2 and self._prompted:
                self._start(self._leave(EndedReason.SILENCE, None))
                return

    @property
    def _busy(self) -> bool:
        session = self._session
        return (
            self._mouth.speaking
            or session.user_state == "speaking"
            or session.agent_state in {"speaking", "thinking"}
        )


async def _spoke(speech: SpeechHandle) -> bool:
    """Wait for a speech to end; say whether anything of it was said."""
    await speech
    return any(
        getattr(item, "role", None) == "assistant" and getattr(item, "text_content", None)
        for item in speech.chat_items
    )
