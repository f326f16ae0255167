"""One call, from the job to its last event. The file to read first.

The order is the point of it: join, get ready to speak and to listen, then (and only with the
dialer's permit) ring the phone; let the greeting out at the answer; and whatever the end is, leave
no room, no participant and no job behind, with ``call.ended`` as the last word. A job without the
permit owns nothing: it leaves, and the dialer gives the attempt to another agent or ends it.

A rescue is the same road without its first half: the phone is there already, its agent was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Final

from livekit import api, rtc
from livekit.agents import AutoSubscribe, JobContext, utils
from pydantic import ValidationError

from agent import failpoints
from agent.conversation import Conversation
from agent.desk import Desk
from agent.ending import SUPERSEDED, End, Ending
from agent.hanging_up import hang_up
from agent.last_word import LastWord
from agent.leg import Leg, NotPermitted
from agent.logs import get_logger
from agent.media_watch import MediaWatch, packets_received
from agent.recorder import Recorder
from agent.sip_leg import SipLeg
from agent.spool import Owner
from agent.subscriptions import Subscriptions
from agent.transcript import Transcript
from agent.voip_leg import VoipLeg
from telephony.call import CallType, EndedReason
from telephony.dial_request import DialRequest
from telephony.events import AgentJoined, AgentRescued, Dtmf, EventType

#: How long the room's deletion may hold up the call's last event.
_DELETE_PATIENCE: Final = 5.0
#: How long what was cancelled may take to stop.
_STOP_PATIENCE: Final = 2.0
#: How long after the answer a fault comes that a test asks for.
_FAULT_AFTER: Final = 2.0

log = get_logger(__name__)


async def answer_job(context: JobContext, desk: Desk) -> None:
    """Take a job: a DialRequest is a call to make; anything else is left alone."""
    try:
        request = DialRequest.from_metadata(context.job.metadata)
    except ValidationError as error:
        log.error("job_not_understood", job_id=context.job.id, problems=error.error_count())
        context.shutdown("not a dial request")
        return
    context.log_context_fields = {"call_id": request.call_id, "attempt_id": request.attempt_id}
    if request.rescue is not None and not await desk.office.take_over(request):
        log.info("rescue_is_anothers")
        context.shutdown("another agent has it")
        return
    await Call(context, desk, request).run()


class Call:
    """One attempt to reach somebody, and the conversation with them."""

    def __init__(self, context: JobContext, desk: Desk, request: DialRequest) -> None:
        self._context = context
        self._desk = desk
        self._request = request
        self._room: rtc.Room = context.room
        self._end = End()
        self._subscriptions = Subscriptions()
        owner = Owner(request.call_id, request.attempt_id, request.attempt_token)
        self._reporter = desk.office.reporter(owner)
        self._report = self._reporter.report
        self._log = log.bind(call_id=request.call_id, attempt_id=request.attempt_id)
        # A client of its own: the SDK's failover would send a request, and an INVITE, twice.
        self._livekit = api.LiveKitAPI(
            desk.livekit_url,
            desk.livekit_api_key,
            desk.livekit_api_secret,
            session=utils.http_context.http_session(),
            failover=False,
        )
        self._part = 1 if request.rescue is None else request.rescue.number + 1
        self._recorder = Recorder(desk.recordings / request.call_id / self._recording_name)
        self._conversation: Conversation | None = None
        self._reconnection: asyncio.Future[None] | None = None
        self._leg = self._make_leg()
        self._media = MediaWatch(
            self._count_packets,
            timeout=desk.media_timeout,
            initial=desk.media_timeout_initial,
        )
        self._last_word = LastWord(
            request,
            office=desk.office,
            reporter=self._reporter,
            leg=self._leg,
            media=self._media,
            recorder=self._recorder,
            part=self._part,
        )

    async def run(self) -> None:
        """Hold the call; returns when it is over and everything of it is put away."""
        entry = self._desk.office.enter(self._end, self._request)
        refused = False
        try:
            ending = await self._until_the_end()
        except NotPermitted:
            refused = True
            ending = Ending(EndedReason.NO_AGENT)
        except asyncio.CancelledError:
            ending = Ending(EndedReason.AGENT_ERROR, message="the job was stopped")
        except Exception as error:
            self._log.exception("call_failed", error=_name(error))
            if self._request.rescue is not None and self._conversation is not None:
                await self._conversation.apologise()
            ending = Ending(EndedReason.AGENT_ERROR, message=f"the agent failed: {_name(error)}")
        self._end.decide(ending)
        try:
            ending = await self._last_word.whose(await self._end.wait())
            if ending.superseded:
                await self._step_aside()
            elif self._leg.permitted:
                await self._put_away(ending)
            else:
                await self._leave(ending, told=refused)
        finally:
            self._reporter.close()
            self._desk.office.leave(entry)
            self._context.shutdown("the call is over")

    async def _until_the_end(self) -> Ending:
        await self._ready_or_over()
        if self._end.decided:
            return await self._end.wait()
        if self._request.rescue is None:
            await self._leg.reach(lambda: self._desk.office.permit(self._request))
        else:
            self._report(
                EventType.CALL_AGENT_RESCUED,
                AgentRescued(worker_id=self._desk.worker_id, rescue=self._request.rescue.number),
            )
        assert self._conversation is not None
        self._conversation.prepare_more()
        if await self._answered():
            await self._converse()
        return await self._end.wait()

    async def _ready_or_over(self) -> None:
        """Get ready, or stop trying once the end is decided."""
        joined = asyncio.ensure_future(self._join())
        ready = asyncio.ensure_future(self._prepare(joined))
        over = asyncio.ensure_future(self._end.wait())
        try:
            await asyncio.wait([ready, over], return_when=asyncio.FIRST_COMPLETED)
            if not self._end.decided:
                ready.result()
        finally:
            for task in (joined, ready, over):
                task.cancel()
            await asyncio.wait([joined, ready, over], timeout=_STOP_PATIENCE)
            for task in (joined, ready):
                if task.done() and not task.cancelled():
                    # Retrieved, or asyncio would print it.
                    task.exception()

    async def _join(self) -> None:
        await self._context.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        self._report(EventType.CALL_AGENT_JOINED, AgentJoined(worker_id=self._desk.worker_id))
        self._subscriptions.on(self._room, "sip_dtmf_received", self._on_dtmf)
        self._subscriptions.on(self._room, "reconnected", self._on_reconnected)
        if self._request.rescue is not None:
            self._leg.take_over()

    async def _prepare(self, joined: asyncio.Future[None]) -> None:
        self._conversation = Conversation(
            self._request,
            shared=self._desk.shared,
            phrases=self._desk.phrases,
            recorder=self._recorder,
            transcript=Transcript(lambda turn: self._report(EventType.CALL_TURN, turn)),
            end=self._end,
        )
        await self._conversation.prepare(self._room, joined, self._leg.identity)
        if self._request.rescue is None:
            self._report(EventType.CALL_AGENT_READY)

    async def _answered(self) -> bool:
        """Wait for the answer or the end, whichever is first."""
        answer = asyncio.ensure_future(self._leg.answered.wait())
        over = asyncio.ensure_future(self._end.wait())
        await asyncio.wait([answer, over], return_when=asyncio.FIRST_COMPLETED)
        answer.cancel()
        over.cancel()
        return self._leg.answered.is_set()

    async def _converse(self) -> None:
        assert self._conversation is not None
        self._conversation.begin()
        self._fail_on_request()
        watch = asyncio.ensure_future(self._media_lost())
        over = asyncio.ensure_future(self._end.wait())
        try:
            await asyncio.wait([watch, over], return_when=asyncio.FIRST_COMPLETED)
            if watch.done() and (error := watch.exception()) is not None:
                self._log.warning("media_not_watched", error=_name(error))
            await over
        finally:
            watch.cancel()
            over.cancel()

    async def _media_lost(self) -> None:
        """End the call once no media comes any more, as whatever that is a sign of."""
        while True:
            await self._media.until_lost()
            judging = asyncio.ensure_future(self._leg.why_silent(self._media.silent_for))
            back = asyncio.ensure_future(self._media.until_moved())
            try:
                await asyncio.wait([judging, back], return_when=asyncio.FIRST_COMPLETED)
                if judging.done():
                    if (ending := judging.result()) is not None:
                        self._end.decide(ending)
                    return
            finally:
                judging.cancel()
                back.cancel()

    def _fail_on_request(self) -> None:
        # A call that was taken over has had its fault.
        if self._desk.failpoints and self._request.rescue is None:
            fault = failpoints.named(self._request.metadata)
            if fault is not None:
                asyncio.get_running_loop().call_later(_FAULT_AFTER, fault)

    async def _leave(self, ending: Ending, *, told: bool) -> None:
        """Leave a room that is not ours: another agent of this attempt may be live in it."""
        self._subscriptions.close()
        if not told and ending.reason is not EndedReason.API_HANGUP:
            self._last_word.warn(
                "agent_failed", ending.message or f"the agent gave up: {ending.reason}"
            )
        await self._safely("leg", self._leg.aclose())
        await self._close_conversation()
        self._log.info("left_without_permit", reason=ending.reason)

    async def _step_aside(self) -> None:
        """Leave a call that another agent has by now, and leave it as it is."""
        self._subscriptions.close()
        await self._safely("leg", self._leg.aclose())
        await self._close_conversation()
        with contextlib.suppress(Exception):
            await self._recorder.finish()
        self._log.warning("superseded")

    async def _put_away(self, ending: Ending) -> None:
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
        if self._conversation is not None:
            # Before the room ends; what is in it by then is never given back (see voice_track).
            await self._safely("tracks", self._conversation.withdraw())
        return await hang_up(self._livekit.room, self._room.name)

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
        if self._conversation is not None:
            await self._safely("conversation", self._conversation.aclose())

    async def _safely(self, part: str, work: Awaitable[None]) -> None:
        """Put one part away; whatever it raises must not lose the call's last word."""
        try:
            await work
        except Exception as error:
            self._log.warning("not_put_away", part=part, error=_name(error))

    def _make_leg(self) -> Leg:
        if self._request.call_type is CallType.VOIP:
            return VoipLeg(self._room, self._request, self._end, self._report)
        return SipLeg(
            self._room,
            self._request,
            self._end,
            self._report,
            sip=self._livekit.sip,
            give_back=lambda why: self._desk.office.return_permit(self._request, why),
            rooms=self._livekit.room,
        )

    async def _count_packets(self) -> int | None:
        track = self._leg.audio_track
        return None if track is None else await packets_received(track)

    @property
    def _recording_name(self) -> str:
        attempt_id = self._request.attempt_id
        return f"{attempt_id}.wav" if self._part == 1 else f"{attempt_id}.{self._part}.wav"

    def _on_reconnected(self) -> None:
        # Back after an absence that may have been long enough for somebody else to step in.
        self._reconnection = asyncio.ensure_future(self._ask_whose())

    async def _ask_whose(self) -> None:
        if not await self._desk.office.is_current(self._request):
            self._end.decide(SUPERSEDED)

    def _on_dtmf(self, event: rtc.SipDTMF) -> None:
        if event.participant is None or event.participant.identity != self._leg.identity:
            return
        self._report(EventType.CALL_DTMF, Dtmf(digit=event.digit, direction="received"))
        if self._conversation is not None:
            self._conversation.key_pressed(event.digit)


def _name(error: BaseException) -> str:
    return type(error).__name__
