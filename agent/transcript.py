"""The words of both sides, turn by turn, as they become final."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

from livekit.agents import (
    ConversationItemAddedEvent,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
)
from livekit.agents.llm import ChatMessage

from telephony.events import Turn

#: What the other side is called: whom we call, or who calls us.
Other = Literal["callee", "caller"]

#: Marks a message that tells the model something; nobody said it.
NOTE: Final = "telephony_note"


def note(text: str) -> ChatMessage:
    """Make a message that tells the model something that was not said."""
    return ChatMessage(role="user", content=[text], extra={NOTE: True})


class Transcript:
    """Turns the session's messages into turns, in the order in which they were said.

    The session makes a message of the callee's words when it answers them. Words that it does not
    answer (they came while the agent was saying goodbye) are kept as well, by flush().
    """

    def __init__(self, report: Callable[[Turn], None], *, other: Other = "callee") -> None:
        self._report = report
        self._other: Other = other
        self._seen: set[str] = set()
        self._unanswered: list[str] = []
        self._spoke_from: float | None = None
        self._spoke_until: float | None = None

    def on_speaking(self, event: UserStateChangedEvent) -> None:
        """Note when the callee speaks; the session does not tell it for every message."""
        if event.new_state == "speaking":
            self._spoke_from, self._spoke_until = event.created_at, None
        elif event.old_state == "speaking":
            self._spoke_until = event.created_at

    def on_words(self, event: UserInputTranscribedEvent) -> None:
        """Take words of the callee's as soon as they are understood."""
        if event.is_final and event.transcript.strip():
            self._unanswered.append(event.transcript)

    def on_item(self, event: ConversationItemAddedEvent) -> None:
        """Take an item of the conversation; what is no spoken message is passed over."""
        item = event.item
        if not isinstance(item, ChatMessage) or item.id in self._seen or item.extra.get(NOTE):
            return
        turn = turn_of(item, other=self._other)
        if turn is None:
            return
        self._seen.add(item.id)
        if turn.speaker == self._other:
            self._unanswered.clear()
            turn = self._with_times(turn)
        self._report(turn)

    def flush(self) -> None:
        """Report the words that the session took no notice of."""
        text = " ".join(" ".join(self._unanswered).split())
        self._unanswered.clear()
        if text:
            self._report(self._with_times(Turn(speaker=self._other, text=text)))

    def _with_times(self, turn: Turn) -> Turn:
        if turn.started_at is not None:
            return turn
        times = {
            "started_at": _moment(self._spoke_from),
            "ended_at": turn.ended_at or _moment(self._spoke_until),
        }
        return turn.model_copy(update=times)


def turn_of(message: ChatMessage, *, other: Other = "callee") -> Turn | None:
    """Make the turn of a spoken message; None for an empty one and for instructions."""
    text = " ".join((message.text_content or "").split())
    if not text or message.role not in {"user", "assistant"}:
        return None
    return Turn(
        speaker=other if message.role == "user" else "agent",
        text=text,
        started_at=_moment(message.metrics.get("started_speaking_at")),
        ended_at=_moment(message.metrics.get("stopped_speaking_at")),
        interrupted=message.interrupted,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
