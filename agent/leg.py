"""The other side of the call: what a phone that we ring, a caller and a browser have in common.

Leg.reach() asks for the permit to ring and to wait for a browser; whoever has it owns the room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from livekit import rtc

from agent.dialer_client import PermitAnswer
from agent.ending import End, Ending
from agent.subscriptions import Subscriptions
from agent.verdicts import (
    ON_REQUEST,
    left_after_answer,
    room_gone,
)
from telephony.call import EndedReason
from telephony.dial_request import DialRequest
from telephony.events import Data, EventType, Warned


class Report(Protocol):
    """Reports an event of this call."""

    def __call__(
        self, type_: EventType, data: Data | None = None, *, at: datetime | None = None
    ) -> None:
        """Report an event."""
        ...


class NotPermitted(Exception):
    """The dialer gave no permit: leave the room without a word."""


class Leg:
    """What all kinds have in common: somebody who answers, and later leaves."""

    identity: str
    phone: bool
    #: What it is called when the other side ends the call.
    hangs_up_as: EndedReason = EndedReason.CALLEE_HANGUP

    def __init__(self, room: rtc.Room, request: DialRequest, end: End, report: Report) -> None:
        self._room = room
        self._request = request
        self._end = end
        self._report = report
        self._tasks: set[asyncio.Task[None]] = set()
        self.answered = asyncio.Event()
        self.permitted = False
        #: Whether the room is ours to delete; one of its name may be the next agent's by now.
        self.owns_room = True
        self.left: rtc.DisconnectReason.ValueType | None = None
        self._subscriptions = Subscriptions()
        self._subscriptions.on(room, "participant_connected", self._on_connected)
        self._subscriptions.on(room, "participant_disconnected", self._on_left)
        self._subscriptions.on(room, "disconnected", self._on_room_gone)

    @property
    def participant(self) -> rtc.RemoteParticipant | None:
        """Give the other side, while it is in the room."""
        return self._room.remote_participants.get(self.identity)

    @property
    def audio_track(self) -> rtc.RemoteTrack | None:
        """Give the other side's audio, once we are subscribed to it."""
        participant = self.participant
        if participant is not None:
            for publication in participant.track_publications.values():
                if publication.track and publication.kind == rtc.TrackKind.KIND_AUDIO:
                    return publication.track
        return None

    async def reach(self, ask: Callable[[], Awaitable[PermitAnswer]]) -> None:
        """Ask for the permit and, with it, reach out for the other side; returns at once.

        Shape: once ``permitted`` is True, this job owns the room and tells the call's end. Where
        the end stands by then, nobody is rung. Errors: NotPermitted.
        """
        answer = await ask()
        if answer is not PermitAnswer.GRANTED:
            if answer is PermitAnswer.UNREACHABLE:
                self._report(
                    EventType.CALL_WARNING,
                    Warned(code="permit_unreachable", message="No permit could be asked for."),
                )
            raise NotPermitted
        self.permitted = True
        if not self._end.decided:
            self._reach()

    def joined(self) -> None:
        """We are in the room."""

    def take_over(self) -> None:
        """Step into a conversation that is under way: nobody is asked, nobody is rung."""
        self.permitted = True
        self.answered.set()
        if self.participant is None:
            self._end.decide(Ending(EndedReason.LOST, message="nobody was left to talk to"))

    async def why_silent(self, seconds: float) -> Ending | None:
        """Judge a silence of so many seconds; None where it is no end."""
        return None  # A browser that is muted sends nothing and is there all the same.

    async def until_let_go(self, silent_for: Callable[[], float]) -> Ending:
        """Return once the other side is known to have left unseen; ``silent_for`` in seconds."""
        return await asyncio.get_running_loop().create_future()

    def _reach(self) -> None:
        """Reach out, with the permit in hand."""

    async def aclose(self) -> None:
        """Stop watching."""
        self._subscriptions.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _answer(self) -> None:
        if not self.answered.is_set() and not self._end.decided:
            self.answered.set()
            self._report(EventType.CALL_ANSWERED)

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_connected(self, participant: rtc.RemoteParticipant) -> None:
        """Somebody joined."""

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity != self.identity:
            return
        self.left = participant.disconnect_reason
        self._judge_leaving()

    def _judge_leaving(self) -> None:
        if self.left in ON_REQUEST:
            self._end.decide(Ending(EndedReason.API_HANGUP))
        elif self.answered.is_set():
            ending = left_after_answer(self.left, phone=self.phone)
            hung_up = ending.reason is EndedReason.CALLEE_HANGUP
            self._end.decide(Ending(self.hangs_up_as) if hung_up else ending)

    def _on_room_gone(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._end.decide(room_gone(reason))
