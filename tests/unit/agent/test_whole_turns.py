"""A turn with a pause in it is one turn: the framework's own session, told of speech and words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
import pytest_asyncio
from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    APIConnectionError,
    APIConnectOptions,
    ChatContext,
    ChatMessage,
    LanguageCode,
    UserInputTranscribedEvent,
    io,
    llm,
    stt,
    vad,
)

from agent.conversation import turn_handling
from agent.speech import whole_turns
from agent.speech.judged_once import JudgedOnce
from agent.speech.whole_turns import WholeTurns
from tests.kit.until import until

_SOME_SOUND = rtc.AudioFrame(bytes(3200), 16_000, 1, 1600)


class _Detector(vad.VAD):
    """Tells of the speech that it is told of."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.032))
        self.told: _Told | None = None

    def stream(self) -> _Told:
        self.told = _Told(self)
        return self.told

    def speech(self, kind: vad.VADEventType) -> None:
        assert self.told is not None
        silence = 0.05 if kind is vad.VADEventType.END_OF_SPEECH else 0.0
        self.told.tell(vad.VADEvent(kind, 0, 0.0, 0.3, silence, frames=[_SOME_SOUND]))


class _Told(vad.VADStream):
    async def _main_task(self) -> None:
        async for _ in self._input_ch:
            pass

    def tell(self, event: vad.VADEvent) -> None:
        self._event_ch.send_nowait(event)


class _Ears(stt.STT[Any]):
    """Writes an utterance down when it is told what was said."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self.asked: list[asyncio.Future[str]] = []

    async def _recognize_impl(self, buffer: Any, **_: Any) -> stt.SpeechEvent:
        self.asked.append(asyncio.get_running_loop().create_future())
        text = await self.asked[-1]
        return stt.SpeechEvent(
            stt.SpeechEventType.FINAL_TRANSCRIPT,
            alternatives=[stt.SpeechData(language=LanguageCode("en"), text=text)],
        )


class _Silence(io.AudioInput):
    """A line on which nothing comes."""

    def __init__(self) -> None:
        super().__init__(label="silence")

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(3600)
        raise StopAsyncIteration


class _Listener(Agent):
    """Keeps the turns that it is given."""

    def __init__(self) -> None:
        cast("Any", super()).__init__(instructions="Listen.")
        self.turns: list[str] = []

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: ChatMessage) -> None:
        self.turns.append(new_message.text_content or "")


class _Talk:
    """A session whose other side is told what to say."""

    def __init__(self) -> None:
        self.detector, self.ears, self.agent = _Detector(), _Ears(), _Listener()
        turns = WholeTurns()
        turns.listen_to(self.ears)
        self.session: AgentSession[None] = AgentSession(
            vad=JudgedOnce(self.detector, utterance_over=turns.utterance_over),
            stt=self.ears,
            turn_handling=turn_handling(turns),
            session_close_transcript_timeout=0.01,
        )
        # The SDK's types for this are only partly known.
        cast("Any", self.session).on("user_input_transcribed", turns.on_words)
        self.session.input.audio = _Silence()

    async def utterance(self, number: int) -> asyncio.Future[str]:
        """Let somebody speak; give what will be written down."""
        self.detector.speech(vad.VADEventType.START_OF_SPEECH)
        await asyncio.sleep(0.05)
        self.detector.speech(vad.VADEventType.END_OF_SPEECH)
        await until(lambda: len(self.ears.asked) == number)
        return self.ears.asked[-1]


@pytest_asyncio.fixture
async def talk() -> AsyncGenerator[_Talk]:
    """Give a talk that has begun."""
    told = _Talk()
    await cast("Any", told.session).start(told.agent)
    await until(lambda: told.detector.told is not None)
    yield told
    await told.session.aclose()


async def test_words_that_come_late_belong_to_the_turn_in_which_they_were_said(
    talk: _Talk,
) -> None:
    (await talk.utterance(1)).set_result("Thank you for the call.")
    second = await talk.utterance(2)
    # Twice as long as the pause after which a turn is over.
    await asyncio.sleep(0.8)
    assert talk.agent.turns == [], "the turn was ended with half of its words"
    second.set_result("Goodbye.")
    await until(lambda: talk.agent.turns == ["Thank you for the call. Goodbye."])


async def test_a_noise_in_which_nothing_is_understood_holds_no_turn_up(talk: _Talk) -> None:
    (await talk.utterance(1)).set_result("Thank you for the call.")
    (await talk.utterance(2)).set_result("")
    await until(lambda: talk.agent.turns == ["Thank you for the call."], 2)


async def test_each_of_two_turns_is_told_once(talk: _Talk) -> None:
    (await talk.utterance(1)).set_result("Hello.")
    await until(lambda: talk.agent.turns == ["Hello."])
    (await talk.utterance(2)).set_result("Goodbye.")
    await until(lambda: talk.agent.turns == ["Hello.", "Goodbye."])


async def test_a_model_that_fails_is_waited_for_no_more() -> None:
    turns, ears = WholeTurns(), _Ears()
    turns.listen_to(ears)
    turns.utterance_over()
    asked = asyncio.create_task(
        ears.recognize([_SOME_SOUND], conn_options=APIConnectOptions(max_retry=0))
    )
    await until(lambda: bool(ears.asked))
    over = asyncio.create_task(turns.predict_end_of_turn(llm.ChatContext.empty()))
    await asyncio.sleep(0.05)
    assert not over.done()
    ears.asked[0].set_exception(APIConnectionError())
    with pytest.raises(APIConnectionError):
        await asked
    assert await asyncio.wait_for(over, 1) == 1.0


async def test_words_that_never_come_are_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_turns, "_LONGEST", 0.2)
    turns = WholeTurns()
    turns.utterance_over()
    talk = llm.ChatContext.empty()
    first = asyncio.create_task(turns.predict_end_of_turn(talk))
    await asyncio.sleep(0.05)
    assert not first.done()
    assert await asyncio.wait_for(first, 5) == 1.0
    monkeypatch.setattr(whole_turns, "_LONGEST", 60.0)
    assert await asyncio.wait_for(turns.predict_end_of_turn(talk), 1) == 1.0
    # The framework's words for it come after all, and count for no other utterance.
    turns.on_words(UserInputTranscribedEvent(transcript="Late.", is_final=True))
    turns.utterance_over()
    second = asyncio.create_task(turns.predict_end_of_turn(talk))
    await asyncio.sleep(0.05)
    assert not second.done()
    turns.on_words(UserInputTranscribedEvent(transcript="Hello", is_final=False))
    await asyncio.sleep(0.05)
    assert not second.done()
    turns.on_words(UserInputTranscribedEvent(transcript="Hello.", is_final=True))
    assert await asyncio.wait_for(second, 1) == 1.0


async def test_the_end_of_the_call_waits_for_no_words() -> None:
    turns = WholeTurns()
    turns.utterance_over()
    over = asyncio.create_task(turns.predict_end_of_turn(llm.ChatContext.empty()))
    await asyncio.sleep(0.05)
    assert not over.done()
    turns.close()
    turns.utterance_over()
    assert await asyncio.wait_for(over, 1) == 1.0
    assert await asyncio.wait_for(turns.predict_end_of_turn(llm.ChatContext.empty()), 1) == 1.0
