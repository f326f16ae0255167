"""The other side of the call: a phone that we ring, or a browser that joins.

Leg.reach() asks for the permit of both kinds; whoever has it owns the room. SipLeg._invite() is
the only place where an INVITE is caused: once for each permit, and again only where no bridge took
the request, so that none can have left. Where none takes it for a while, the permit goes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import aiohttp
from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc
from livekit.api.room_service import RoomService
from livekit.api.sip_service import SipService

from agent.bridge_listening import listen_early
from agent.dialer_client import PermitAnswer
from agent.ending import End, Ending
from agent.logs import get_logger
from agent.subscriptions import Subscriptions
from agent.verdicts import (
    BAD_RATINGS,
    ON_REQUEST,
    RETURNED,
    carrier_wants_fewer,
    dial_failed,
    left_after_answer,
    lost_answer,
    no_bridge_took_it,
    room_gone,
    silenced,
)
from telephony.call import EndedReason
from telephony.dial_request import DialRequest
from telephony.events import Data, EventType, Warned
from telephony.worker_contract import BROWSER_IDENTITY, CALLEE_IDENTITY, ReturnReason

#: The participant attribute in which the bridge tells how the call stands.
CALL_STATUS: Final = "sip.callStatus"

#: The header of the INVITE by which we and the carrier's support find the same call.
ATTEMPT_HEADER: Final = "X-Attempt-Id"

#: How much later than asked our own guards act, so that the bridge speaks first.
_BRIDGE_GRACE: Final = timedelta(seconds=5)
#: For how long another bridge is waited for while none takes a call, before the permit goes back.
#: It is taken off the time that the phone may ring; keep it well below the reaper's grace (10 s).
_BRIDGE_PATIENCE: Final = 2.0
#: Before so much of a silence a poor rating may still be about the packets before it.
_SURE_AFTER: Final = 8.0
#: How long two messages about the same end may be apart.
_SAME_END: Final = 1.5
#: How long a callee may be gone from the room without a reason. livekit-server closes every signal
#: connection that had something to say in 7.5 seconds without Redis; bridge and agent then connect
#: anew, and the phone was never hung up. Deleting the room sooner would leave it with nobody.
_BACK_WITHIN: Final = 10.0
#: A bridge that died earlier in a call than this may have sent no sender report yet; without one
#: LiveKit rates its silence like a carrier's.
_REPORTS_AFTER: Final = 5.0
#: By then a silence that no rating explains was explained by the callee's leaving: LiveKit lets go
#: of a dead bridge after some twenty seconds, and a living one ends the call after fifteen.
_EXPLAINED_WITHIN: Final = 25.0
#: What a dialling that was cancelled looks like, whoever cancelled it.
_CANCELLED: Final = frozenset(
    {EndedReason.RING_TIMEOUT, EndedReason.NO_RESPONSE, EndedReason.BRIDGE_LOST}
)
#: How long one try to delete a room may take.
_DELETE_PATIENCE: Final = 3.0

log = get_logger(__name__)


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
    """What both kinds have in common: somebody who answers, and later leaves."""

    identity: str
    phone: bool

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

    def take_over(self) -> None:
        """Step into a conversation that is under way: nobody is asked, nobody is rung."""
        self.permitted = True
        self.answered.set()
        if self.participant is None:
            self._end.decide(Ending(EndedReason.LOST, message="nobody was left to talk to"))

    async def why_silent(self, seconds: float) -> Ending | None:
        """Judge a silence of so many seconds; None where it is no end."""
        return None  # A browser that is muted sends nothing and is there all the same.

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
            self._end.decide(left_after_answer(self.left, phone=self.phone))

    def _on_room_gone(self, reason: rtc.DisconnectReason.ValueType) -> None:
        self._end.decide(room_gone(reason))


class SipLeg(Leg):
    """A phone behind the SIP bridge."""

    identity = CALLEE_IDENTITY
    phone = True

    def __init__(
        self,
        room: rtc.Room,
        request: DialRequest,
        end: End,
        report: Report,
        *,
        sip: SipService,
        rooms: RoomService,
        give_back: Callable[[ReturnReason], Awaitable[bool]],
    ) -> None:
        super().__init__(room, request, end, report)
        self._sip = sip
        self._rooms = rooms
        self._give_back = give_back
        self._rang = False
        self._seen = False
        self._answered_at: float | None = None
        self._rated: tuple[rtc.ConnectionQuality, float] | None = None
        self._rating = asyncio.Event()
        self._there = asyncio.Event()
        self._subscriptions.on(room, "track_published", self._on_published)
        self._subscriptions.on(room, "participant_attributes_changed", self._on_attributes)
        self._subscriptions.on(room, "connection_quality_changed", self._on_quality)

    def _answer(self) -> None:
        if self._answered_at is None:
            self._answered_at = time.monotonic()
        super()._answer()

    def _reach(self) -> None:
        # The permit recorded the dialling; a second word of it would only be noise.
        self._start(self._invite())
        self._start(self._ring_guard())

    async def _invite(self) -> None:
        give_up = time.monotonic() + _BRIDGE_PATIENCE
        while not self._end.decided and await self._no_bridge_yet():
            if time.monotonic() >= give_up:
                lost = Ending(EndedReason.BRIDGE_LOST, message="no bridge is there")
                await self._return_permit(ReturnReason.NO_BRIDGE, otherwise=lost)
                return
            await asyncio.sleep(random.uniform(0.5, 1.5))

    async def _return_permit(self, why: ReturnReason, *, otherwise: Ending) -> None:
        if self._end.decided:
            return
        # Whatever becomes of the answer: from here on the attempt may have another agent, in a room
        # of the same name.
        self.owns_room = False
        self._end.decide(RETURNED if await self._give_back(why) else otherwise)

    async def _no_bridge_yet(self) -> bool:
        """Send the request; True where no bridge took it, so that it may be sent again."""
        began = time.monotonic()
        try:
            await self._sip.create_sip_participant(
                invitation(self._request, self._room.name),
                timeout=(self._ring_limit + 2 * _BRIDGE_GRACE).total_seconds(),
            )
        except api.ServerError as error:
            if no_bridge_took_it(error):
                log.warning("no_bridge_took_the_call")
                return True
            await self._not_answered(error, time.monotonic() - began)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Nobody knows whether the INVITE left: the participant's attributes and the ring
            # guard decide, and nothing is sent again.
            log.warning("dial_result_unknown", error=type(error).__name__)
        else:
            self._answer()
        return False

    async def _not_answered(self, error: api.ServerError, took: float) -> None:
        ending = dial_failed(error, rang=self._rang)
        if ending.reason is EndedReason.NO_RESPONSE and lost_answer(error, took):
            ending = Ending(EndedReason.CARRIER_ERROR, message="the bridge lost the answer")
        if ending.reason in _CANCELLED:
            # The bridge says the same when somebody takes the callee out of the room; the event
            # that tells so may be a moment behind. Without it nothing is guessed.
            await self._left_or(_SAME_END / 5)
        if carrier_wants_fewer(ending) and not self._rang:
            await self._return_permit(ReturnReason.TOO_FAST, otherwise=ending)
        self._end.decide(ending)

    async def _left_or(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), timeout)

    async def _ring_guard(self) -> None:
        limit = (self._ring_limit + _BRIDGE_GRACE).total_seconds()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.answered.wait(), limit)
        if not self.answered.is_set():
            reason = EndedReason.RING_TIMEOUT if self._rang else EndedReason.NO_RESPONSE
            self._end.decide(Ending(reason))

    @property
    def _ring_limit(self) -> timedelta:
        return timedelta(seconds=self._request.limits.ring_timeout_seconds)

    def _on_connected(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity == self.identity:
            self._there.set()
        self._read_status(participant)

    def _judge_leaving(self) -> None:
        lost = left_after_answer(self.left, phone=True)
        if self.answered.is_set() and lost.reason is EndedReason.BRIDGE_LOST:
            self._there.clear()
            self._start(self._lost_for_good(lost))
        else:
            super()._judge_leaving()

    async def _lost_for_good(self, lost: Ending) -> None:
        """End the call, unless the callee comes back with a bridge that had to connect anew."""
        log.warning("callee_gone")
        try:
            await asyncio.wait_for(self._there.wait(), _BACK_WITHIN)
        except TimeoutError:
            self._end.decide(lost)
        else:
            log.info("callee_back")

    def _on_published(
        self, _: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if participant.identity == self.identity and not self.answered.is_set():
            self._start(listen_early(self._rooms, self._room, self.identity))

    def _on_attributes(self, _: dict[str, str], participant: rtc.Participant) -> None:
        self._read_status(participant)

    def _read_status(self, participant: rtc.Participant) -> None:
        if participant.identity != self.identity:
            return
        self._seen = True
        match participant.attributes.get(CALL_STATUS):
            case "ringing":
                if not self._rang:
                    self._rang = True
                    self._report(EventType.CALL_RINGING)
            case "active":
                self._answer()
            case "hangup" if self.answered.is_set():
                self._start(self._hung_up())
            case _:
                pass

    async def _hung_up(self) -> None:
        # The reason comes with the participant's leaving, just behind this.
        await asyncio.sleep(_SAME_END)
        self._end.decide(Ending(EndedReason.CALLEE_HANGUP))

    async def why_silent(self, seconds: float) -> Ending | None:
        """Judge a callee whose packets stopped so long ago: a dead bridge is no silent carrier.

        Shape: takes some seconds where LiveKit has not rated the silence yet, or where its rating
        tells nothing; an end that is decided meanwhile stands.
        """
        stopped = time.monotonic() - seconds
        give_up = stopped + _EXPLAINED_WITHIN
        while (rating := self._rating_of(stopped)) is None:
            self._rating.clear()
            left = give_up - time.monotonic()
            if left <= 0:
                return Ending(EndedReason.MEDIA_TIMEOUT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rating.wait(), left)
        return silenced(rating)

    def _rating_of(self, stopped: float) -> rtc.ConnectionQuality | None:
        """Give LiveKit's rating of a silence that began then, once it tells something."""
        if self._rated is None:
            return None
        rating, when = self._rated
        if rating == rtc.ConnectionQuality.QUALITY_LOST:
            return rating if when >= stopped else None
        early = self._answered_at is not None and stopped < self._answered_at + _REPORTS_AFTER
        return rating if when >= stopped + _SURE_AFTER and not early else None

    def _on_quality(self, participant: rtc.Participant, quality: rtc.ConnectionQuality) -> None:
        # Until LiveKit is sure, it repeats the good rating from before the silence.
        if participant.identity == self.identity and quality in BAD_RATINGS:
            self._rated = (quality, time.monotonic())
            self._rating.set()

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        super()._on_left(participant)
        if participant.identity == self.identity and not self._end.decided:
            self._there.clear()
            if not self.answered.is_set():
                self._start(self._left_before_answer())

    def _on_room_gone(self, reason: rtc.DisconnectReason.ValueType) -> None:
        never_came = self.permitted and not (self._seen or self.answered.is_set())
        if reason == rtc.DisconnectReason.ROOM_CLOSED and never_came:
            # Nobody asked for that: LiveKit closes a room to which nobody but an agent came, as
            # when the bridge dies with the request in its hands.
            self._end.decide(Ending(EndedReason.BRIDGE_LOST, message="the bridge never came"))
        else:
            super()._on_room_gone(reason)

    async def _left_before_answer(self) -> None:
        # The result of the dialling says more than the leaving: give it time to come.
        await self._left_or(2 * _SAME_END)
        if self._there.is_set():
            return  # Our own connection, or the bridge's, was made anew.
        match self.left:
            case rtc.DisconnectReason.USER_REJECTED:
                ending = Ending(EndedReason.DECLINED)
            case rtc.DisconnectReason.USER_UNAVAILABLE:
                reason = EndedReason.RING_TIMEOUT if self._rang else EndedReason.NO_RESPONSE
                ending = Ending(reason)
            case rtc.DisconnectReason.SIP_TRUNK_FAILURE | rtc.DisconnectReason.CLIENT_INITIATED:
                ending = Ending(EndedReason.CARRIER_ERROR)
            case _:
                ending = Ending(EndedReason.BRIDGE_LOST)
        self._end.decide(ending)


def invitation(request: DialRequest, room: str) -> api.CreateSIPParticipantRequest:
    """Write the request that rings the phone.

    Shape: the bridge's own limit for the call counts from the dialling and is a guard behind the
    job's timer, so it is later than that. Errors: ValueError where the number or trunk is missing.
    """
    if request.phone_number is None or request.trunk_id is None:
        raise ValueError("a phone call needs a number and a trunk")
    limits = request.limits
    longest = limits.ring_timeout_seconds + limits.max_duration_seconds
    return api.CreateSIPParticipantRequest(
        sip_trunk_id=request.trunk_id,
        sip_call_to=request.phone_number,
        sip_number=request.caller_id or "",
        room_name=room,
        participant_identity=CALLEE_IDENTITY,
        participant_name="callee",
        hide_phone_number=True,
        headers={ATTEMPT_HEADER: request.attempt_id},
        play_dialtone=False,
        krisp_enabled=False,
        wait_until_answered=True,
        ringing_timeout=Duration(seconds=limits.ring_timeout_seconds),
        max_call_duration=Duration(seconds=longest + int(_BRIDGE_GRACE.total_seconds())),
    )


class VoipLeg(Leg):
    """A browser that joins the room by itself."""

    identity = BROWSER_IDENTITY
    phone = False

    def __init__(self, room: rtc.Room, request: DialRequest, end: End, report: Report) -> None:
        super().__init__(room, request, end, report)
        self._subscriptions.on(room, "track_subscribed", self._on_track)

    def _reach(self) -> None:
        # A browser comes by itself.
        self._start(self._guard())
        if self.audio_track is not None:
            self._answer()

    async def _guard(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.answered.wait(), self._request.limits.ring_timeout_seconds)
        if not self.answered.is_set():
            self._end.decide(Ending(EndedReason.RING_TIMEOUT))

    def _on_track(
        self,
        track: rtc.Track,
        _: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        if participant.identity == self.identity and track.kind == rtc.TrackKind.KIND_AUDIO:
            self._answer()

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        super()._on_left(participant)
        if participant.identity == self.identity:
            self._end.decide(Ending(EndedReason.CALLEE_HANGUP))


async def hang_up(rooms: RoomService, room: str) -> bool:
    """Delete the room, and with it the call: BYE or CANCEL leaves. Say whether it is gone."""
    pause = 0.2
    for _ in range(5):
        try:
            deletion = rooms.delete_room(api.DeleteRoomRequest(room=room))
            await asyncio.wait_for(deletion, _DELETE_PATIENCE)
            return True
        except api.ServerError as error:
            if error.code == api.ServerErrorCode.NOT_FOUND:
                return True
            log.warning("room_not_deleted", code=error.code)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("room_not_deleted", error=type(error).__name__)
        await asyncio.sleep(pause)
        pause *= 2
    return False
