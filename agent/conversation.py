"""The conversation of one call: an AgentSession set up for the telephone.

What the phone needs: the greeting (or, where a conversation is taken over, the line that says so)
waits as audio before anybody is rung; nothing is heard before
the answer; the callee may interrupt at any time; quiet, a farewell and the longest duration end the
call politely. A caller is answered by publishing the voice, so that this comes last there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    ChatContext,
    CloseEvent,
    CloseReason,
    ConversationItemAddedEvent,
    ErrorEvent,
    TurnHandlingOptions,
    UserStateChangedEvent,
    room_io,
)
from livekit.agents.voice import SpeechHandle

from agent.ending import End, Ending
from agent.greeting import PhraseCache
from agent.lines import Lines
from agent.logs import get_logger
from agent.polite_ending import PoliteEnding
from agent.recorder import Recorder
from agent.sound import EAR_RATE, Captions, Ear, Mouth
from agent.speech.judged_once import JudgedOnce
from agent.speech.pipeline import CONNECT, build_pipeline
from agent.speech.shared import SharedModels
from agent.speech.whole_turns import WholeTurns
from agent.subscriptions import Subscriptions
from agent.tools.end_call import end_call_tool
from agent.transcript import Transcript, note
from telephony.call import CallType, EndedReason
from telephony.dial_request import DialRequest, Rescue

#: Units: seconds.
ENDPOINTING_DELAY: Final = 0.4
LONGEST_PAUSE: Final = 3.0
INTERRUPTION: Final = 0.4
#: How long the transcript of words cut off by the end is waited for.
_LAST_WORDS: Final = 1.0
_KEYS_SETTLE: Final = 1.5

log = get_logger(__name__)


class Conversation:
    """Holds the conversation of one call and tells its end when it sees it."""

    def __init__(
        self,
        request: DialRequest,
        *,
        shared: SharedModels,
        phrases: PhraseCache,
        recorder: Recorder,
        transcript: Transcript,
        end: End,
    ) -> None:
        self._request = request
        self._recorder = recorder
        self._end = end
        self._models = build_pipeline(request.agent, shared)
        self._captions = Captions()
        self._mouth = Mouth(
            self._captions,
            heard=recorder.agent,
            cut=recorder.cut_agent,
            # Who steps into a conversation has no ringing in which the way could be warmed up.
            first_words=request.call_type is CallType.SIP and request.rescue is None,
        )
        self._ear: Ear | None = None
        self._turns = WholeTurns()
        self._turns.listen_to(self._models.stt)
        self._session: AgentSession[None] = AgentSession(
            vad=JudgedOnce(shared.vad, utterance_over=self._turns.utterance_over),
            stt=self._models.stt,
            llm=self._models.llm,
            tts=self._models.tts,
            turn_handling=turn_handling(self._turns),
            aec_warmup_duration=None,
            user_away_timeout=None,
            session_close_transcript_timeout=_LAST_WORDS,
            conn_options=CONNECT,
            tools=[end_call_tool(lambda farewell: self._polite.hang_up_after(farewell))],
        )
        self._lines = Lines(
            request,
            base_url=shared.base_url,
            phrases=phrases,
            tts=self._models.tts,
            session=self._session,
            mouth=self._mouth,
        )
        self._polite = PoliteEnding(
            request,
            lines=self._lines,
            session=self._session,
            mouth=self._mouth,
            end=end,
            start=self._start,
        )
        self._first: SpeechHandle | None = None
        self._transcript = transcript
        self._subscriptions = Subscriptions()
        self._subscriptions.on(self._session, "conversation_item_added", self._on_item)
        self._subscriptions.on(self._session, "user_state_changed", self._on_callee)
        self._subscriptions.on(self._session, "user_input_transcribed", transcript.on_words)
        self._subscriptions.on(self._session, "user_input_transcribed", self._turns.on_words)
        self._subscriptions.on(self._session, "close", self._on_close)
        self._subscriptions.on(self._session, "error", self._on_error)
        self._open_words = False
        self._keys: list[str] = []
        self._keys_settle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def prepare(
        self, room: rtc.Room, joined: Awaitable[None], callee: str, *, quietly: bool = False
    ) -> None:
        """Get ready to speak and to listen; then the greeting waits in the track.

        Shape: ``quietly`` leaves the track to be published by ``pick_up``. Errors: whatever the
        models raise for the greeting, TimeoutError.
        """
        greeting = asyncio.ensure_future(self._lines.first())
        # It waits for the room by itself; what it does before that is done meanwhile.
        listening = asyncio.ensure_future(self._listen(room, callee))
        try:
            await joined
            if quietly:
                await listening
            else:
                await asyncio.gather(self._mouth.publish(room), listening)
            phrase = await greeting
        finally:
            for task in (greeting, listening):
                task.cancel()
            await asyncio.gather(greeting, listening, return_exceptions=True)
        self._first = self._lines.say(phrase, interruptible=self._request.announcement is None)

    async def pick_up(self, room: rtc.Room) -> None:
        """Publish the voice, at which the bridge answers a caller."""
        await self._mouth.publish(room)

    def prepare_more(self) -> None:
        """Make the phrases that may be needed later, while the phone rings."""
        self._start(self._lines.prepare())

    def begin(self) -> None:
        """The other side is there: let the greeting out and listen."""
        self._mouth.open()
        if self._request.announcement is not None and self._first is not None:
            # Nobody is asked anything, and nobody listens.
            self._recorder.start()
            self._polite.leave_after(self._first)
            return
        if self._ear is not None:
            self._ear.open()
        self._recorder.start()
        self._polite.begin()

    def key_pressed(self, digit: str) -> None:
        """Tell the model about keys, once no more of them come."""
        self._polite.touch()
        self._keys.append(digit)
        if self._keys_settle is not None:
            self._keys_settle.cancel()
        loop = asyncio.get_running_loop()
        self._keys_settle = loop.call_later(_KEYS_SETTLE, self._keys_done)

    async def withdraw(self) -> None:
        """Leave the room, which is about to end, with everything that speaks in it."""
        await self._mouth.withdraw()

    async def aclose(self) -> None:
        """Stop speaking and listening; what was heard last is still written down."""
        if self._keys_settle is not None:
            self._keys_settle.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._turns.close()
        if not self._open_words:
            # Nobody is in the middle of a sentence: there is nothing to wait for.
            self._session.options.session_close_transcript_timeout = 0.01
        for close in (
            self._session.aclose,
            self._mouth.aclose,
            self._models.aclose,
        ):
            try:
                await asyncio.wait_for(close(), 5)
            except Exception as error:
                log.warning("conversation_not_closed", error=type(error).__name__)
        self._transcript.flush()
        self._subscriptions.close()

    async def _listen(self, room: rtc.Room, callee: str) -> None:
        self._session.output.audio = self._mouth
        self._session.output.transcription = self._captions
        # The SDK's overloads for this method are only partly typed.
        start: Callable[..., Awaitable[None]] = cast("Any", self._session).start
        await start(
            Agent(
                instructions=self._request.agent.instructions, chat_ctx=so_far(self._request.rescue)
            ),
            room=room,
            room_options=room_io.RoomOptions(
                text_input=False,
                audio_input=room_io.AudioInputOptions(
                    sample_rate=EAR_RATE, pre_connect_audio=False
                ),
                audio_output=False,
                text_output=False,
                participant_identity=callee,
                close_on_disconnect=False,
                delete_room_on_close=False,
            ),
            session_host=False,
            record=False,
        )
        source = self._session.input.audio
        if source is None:
            raise RuntimeError("the session has no audio input")
        self._ear = Ear(source, heard=self._recorder.callee)
        self._session.input.audio = self._ear

    def _keys_done(self) -> None:
        keys, self._keys = " ".join(self._keys), []
        if self._polite.leaving or self._end.decided:
            return
        self._session.generate_reply(
            user_input=note(f"[The other side pressed these keys on the phone: {keys}]")
        )

    # -- what the session tells

    def _on_item(self, event: ConversationItemAddedEvent) -> None:
        if getattr(event.item, "role", None) == "user":
            self._open_words = False
        self._transcript.on_item(event)

    def _on_callee(self, event: UserStateChangedEvent) -> None:
        self._transcript.on_speaking(event)
        if event.new_state == "speaking":
            self._open_words = True

    def _on_error(self, event: ErrorEvent) -> None:
        log.warning(
            "model_error",
            source=type(cast("Any", event).source).__name__,
            error=type(getattr(event.error, "error", event.error)).__name__,
            recoverable=bool(getattr(event.error, "recoverable", False)),
        )

    def _on_close(self, event: CloseEvent) -> None:
        if event.reason is CloseReason.ERROR and not self._end.decided:
            self._start(self._apologise())

    @property
    def can_apologise(self) -> bool:
        """Whether saying sorry needs nothing that would have to be made."""
        return self._lines.has_apology

    async def apologise(self) -> None:
        """Say sorry if the phrase is there; nothing is made for it, and nothing is raised."""
        await self._lines.apologise_at_once()

    async def _apologise(self) -> None:
        await self._lines.apologise()
        self._end.decide(Ending(EndedReason.AGENT_ERROR, message="the models failed"))

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def turn_handling(turns: WholeTurns) -> TurnHandlingOptions:
    """Say when a turn of the other side is over, and when it interrupts the agent."""
    return TurnHandlingOptions(
        turn_detection=turns,
        endpointing={"mode": "fixed", "min_delay": ENDPOINTING_DELAY, "max_delay": LONGEST_PAUSE},
        interruption={
            "enabled": True,
            "mode": "vad",
            "min_duration": INTERRUPTION,
            "resume_false_interruption": True,
            "false_interruption_timeout": 1.5,
            "discard_audio_if_uninterruptible": False,
        },
        preemptive_generation={"enabled": True},
    )


def so_far(rescue: Rescue | None) -> ChatContext:
    """Write down what was said before, as the model's own memory of it."""
    context = ChatContext.empty()
    for turn in rescue.transcript if rescue is not None else ():
        role = "assistant" if turn.speaker == "agent" else "user"
        context.add_message(role=role, content=turn.text)
    return context
