"""One call, from the job to its last event. The file to read first.

The order is the point of it: join, get ready to speak and to listen, then (and only with the
dialer's permit) ring the phone; let the greeting out at the answer; and whatever the end is, leave
no room, no participant and no job behind, with ``call.ended`` as the last word. A job without the
permit owns nothing: it leaves, and the dialer gives the attempt to another agent or ends it.

A rescue is the same road without its first half: the phone is there already, its agent was lost. A
call that came in rings at us: once all is ready it is answered, and nobody is rung
(``agent/incoming.py``, ``agent/inbound_leg.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext
from pydantic import ValidationError

from agent import failpoints
from agent.conversation import Conversation
from agent.desk import Desk
from agent.ending import SUPERSEDED, End, Ending
from agent.incoming import came_in, offered
from agent.last_word import LastWord
from agent.leg import NotPermitted
from agent.legs import leg_of
from agent.logs import get_logger
from agent.media_watch import MediaWatch, packets_received
from agent.putting_away import PuttingAway
from agent.recorder import Recorder
from agent.spool import Owner
from agent.subscriptions import Subscriptions
from agent.transcript import Other, Transcript
from telephony.call import Direction, EndedReason
from telephony.dial_request import DialRequest
from telephony.events import AgentJoined, AgentRescued, Dtmf, EventType

#: How long what was cancelled may take to stop.
_STOP_PATIENCE: Final = 2.0
#: How long a caller may take to be answered only to hear that something went wrong.
_SORRY_WITHIN: Final = 4.0
#: How long after the answer a fault comes that a test asks for.
_FAULT_AFTER: Final = 2.0

log = get_logger(__name__)


async def answer_job(context: JobContext, desk: Desk) -> None:
    """Take a job: a call to make, to take over or to answer; anything else is left alone."""
    if came_in(context.job.metadata):
        request = await offered(context, desk)
    else:
        request = await _asked_for(context, desk)
    if request is None:
        context.shutdown("no call for this job")
        return
    context.log_context_fields = {"call_id": request.call_id, "attempt_id": request.attempt_id}
    await Call(context, desk, request).run()


async def _asked_for(context: JobContext, desk: Desk) -> DialRequest | None:
    try:
        request = DialRequest.from_metadata(context.job.metadata)
    except ValidationError as error:
        log.error("job_not_understood", job_id=context.job.id, problems=error.error_count())
        return None
    # The call is under way, and several agents may have been asked to step in.
    under_way = request.rescue is not None or request.direction is Direction.INBOUND
    if under_way and not await desk.office.take_over(request):
        log.info("call_is_anothers", attempt_id=request.attempt_id)
        return None
    return request


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
        self._livekit = desk.livekit()
        self._part = 1 if request.rescue is None else request.rescue.number + 1
        self._recorder = Recorder(desk.recordings / request.call_id / self._recording_name)
        self._conversation: Conversation | None = None
        self._reconnection: asyncio.Future[None] | None = None
        self._leg = leg_of(
            request,
            self._room,
            self._end,
            self._report,
            livekit=self._livekit,
            office=desk.office,
            ask_bridge=desk.bridge_hold().ask,
            pick_up=self._pick_up,
        )
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
        self._away = PuttingAway(
            request,
            self._room,
            rooms=self._livekit.room,
            leg=self._leg,
            last_word=self._last_word,
            recorder=self._recorder,
            reporter=self._reporter,
            subscriptions=self._subscriptions,
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
            if await self._handed_over():
                ending = SUPERSEDED
            else:
                await self._say_sorry()
                message = f"the agent failed: {_name(error)}"
                ending = Ending(EndedReason.AGENT_ERROR, message=message)
        self._end.decide(ending)
        try:
            ending = await self._last_word.whose(await self._end.wait())
            if ending.superseded:
                await self._away.step_aside()
            elif self._leg.permitted:
                await self._away.end(ending)
            else:
                await self._away.leave(ending, told=refused)
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
        self._leg.joined()
        if self._request.rescue is not None:
            self._leg.take_over()

    async def _prepare(self, joined: asyncio.Future[None]) -> None:
        other: Other = "caller" if self._inbound else "callee"
        self._conversation = self._away.conversation = Conversation(
            self._request,
            shared=self._desk.shared,
            phrases=self._desk.phrases,
            recorder=self._recorder,
            transcript=Transcript(
                lambda turn: self._report(EventType.CALL_TURN, turn), other=other
            ),
            end=self._end,
        )
        # Who takes over a caller who was answered is heard like everybody else.
        quietly = self._inbound and self._request.rescue is None
        await self._conversation.prepare(self._room, joined, self._leg.identity, quietly=quietly)
        if self._request.rescue is None:
            self._report(EventType.CALL_AGENT_READY)

    async def _pick_up(self) -> None:
        assert self._conversation is not None
        await self._conversation.pick_up(self._room)

    async def _handed_over(self) -> bool:
        """Leave a caller who still hears ringing to the dialer, where it has somebody else."""
        rings = self._inbound and self._request.rescue is None
        if not rings or self._leg.answered.is_set() or self._end.decided:
            return False
        can = self._conversation is not None and self._conversation.can_apologise
        return await self._desk.office.hand_over(self._request, can_apologise=can)

    async def _say_sorry(self) -> None:
        """Apologise to somebody who is on the line, or waits to be answered, and nobody else."""
        if self._conversation is None or self._end.decided:
            return
        if self._request.rescue is not None:
            await self._conversation.apologise()
        elif self._inbound and self._conversation.can_apologise:
            with contextlib.suppress(Exception):
                if not self._leg.answered.is_set():
                    await self._conversation.pick_up(self._room)
                    await asyncio.wait_for(self._leg.answered.wait(), _SORRY_WITHIN)
                await self._conversation.apologise()

    @property
    def _inbound(self) -> bool:
        return self._request.direction is Direction.INBOUND

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
        # Each ends the call by itself, so that one that fails takes nothing from the other.
        watches = [self._watching(self._media_lost()), self._watching(self._hang_up_missed())]
        try:
            await self._end.wait()
        finally:
            for watch in watches:
                watch.cancel()

    def _watching(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._watched)
        return task

    def _watched(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.warning("media_not_watched", error=_name(error))

    async def _media_lost(self) -> None:
        """End the call once no media comes any more, as whatever that is a sign of."""
        ending = await self._media.judged_by(self._leg.why_silent)
        if ending is not None:
            self._end.decide(ending)

    async def _hang_up_missed(self) -> None:
        """End the call once the other side is known to have hung up, whoever missed it."""
        self._end.decide(await self._leg.until_let_go(lambda: self._media.silent_for))

    def _fail_on_request(self) -> None:
        # A call that was taken over has had its fault.
        if self._desk.failpoints and self._request.rescue is None:
            fault = failpoints.named(self._request.metadata)
            if fault is not None:
                asyncio.get_running_loop().call_later(_FAULT_AFTER, fault)

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
