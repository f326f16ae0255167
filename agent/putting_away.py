"""The end of a job: hang up, tell how it ended, and leave nothing of it behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Final

from livekit import rtc
from livekit.api.room_service import RoomService

from agent.conversation import Conversation
from agent.ending import Ending
from agent.hanging_up import hang_up
from agent.last_word import LastWord
from agent.leg import Leg
from agent.logs import get_logger
from agent.recorder import Recorder
from agent.reporter import Reporter
from agent.subscriptions import Subscriptions
from telephony.call import EndedReason
from telephony.dial_request import DialRequest

#: How long the room's deletion may hold up the call's last event.
_DELETE_PATIENCE: Final = 5.0

log = get_logger(__name__)


class PuttingAway:
    """Puts one call away, in one of three ways, by whose it is at its end."""

    def __init__(
        self,
        request: DialRequest,
        room: rtc.Room,
        *,
        rooms: RoomService,
        leg: Leg,
        last_word: LastWord,
        recorder: Recorder,
        reporter: Reporter,
        subscriptions: Subscriptions,
    ) -> None:
        self._room = room
        self._rooms = rooms
        self._leg = leg
        self._last_word = last_word
        self._recorder = recorder
        self._reporter = reporter
        self._subscriptions = subscriptions
        self._log = log.bind(call_id=request.call_id, attempt_id=request.attempt_id)
        #: None until there is one.
        self.conversation: Conversation | None = None

    async def leave(self, ending: Ending, *, told: bool) -> None:
        """Leave a room that is not ours: another agent of this attempt may be live in it."""
        self._subscriptions.close()
        if not told and ending.reason is not EndedReason.API_HANGUP:
            self._last_word.warn(
                "agent_failed", ending.message or f"the agent gave up: {ending.reason}"
            )
        await self._safely("leg", self._leg.aclose())
        await self._close_conversation()
        self._log.info("left_without_permit", reason=ending.reason)

    async def step_aside(self) -> None:
        """Leave a call that another agent has by now, and leave it as it is."""
        self._subscriptions.close()
        await self._safely("leg", self._leg.aclose())
        await self._close_conversation()
        with contextlib.suppress(Exception):
            await self._recorder.finish()
        self._log.warning("superseded")

    async def end(self, ending: Ending) -> None:
        """End a call that is ours."""
        # First of all the phone: BYE or CANCEL leaves with the room's end.
        gone = asyncio.create_task(self._hang_up())
        answered = self._leg.answered.is_set()
        try:
            ending = self._last_word.true_reason(ending)
            self._subscriptions.close()
            await self._safely("leg", self._leg.aclose())
            # Where nobody spoke and nothing was recorded, the record need not wait for this.
            if answered:
                await self._close_conversation()
                await self._last_word.keep_recording()
        finally:
            await self._tell_end(ending, gone)
        if not answered:
            await self._close_conversation()
        # Its tries are few, and a phone that may still ring keeps the seat.
        await asyncio.wait([gone])

    async def _hang_up(self) -> bool:
        if not self._leg.owns_room:
            return True
        if self.conversation is not None:
            # Before the room ends; what is in it by then is never given back (see voice_track).
            await self._safely("tracks", self.conversation.withdraw())
        return await hang_up(self._rooms, self._room.name)

    async def _tell_end(self, ending: Ending, gone: asyncio.Task[bool]) -> None:
        try:
            await asyncio.wait([gone], timeout=_DELETE_PATIENCE)
            if not gone.done() or gone.exception() is not None or not gone.result():
                self._last_word.warn(
                    "room_not_deleted", "The room was not deleted yet; the reaper will."
                )
        finally:
            self._last_word.tell(ending)
            self._reporter.close()
        self._log.info("call_ended", reason=ending.reason, sip_status_code=ending.sip_status_code)

    async def _close_conversation(self) -> None:
        if self.conversation is not None:
            await self._safely("conversation", self.conversation.aclose())

    async def _safely(self, part: str, work: Awaitable[None]) -> None:
        """Put one part away; whatever it raises must not lose the call's last word."""
        try:
            await work
        except Exception as error:
            self._log.warning("not_put_away", part=part, error=type(error).__name__)
