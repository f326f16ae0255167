"""The lines of one call's agent: they wait as audio, or are made when they are needed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from livekit.agents import AgentSession
from livekit.agents.tts import TTS
from livekit.agents.voice import SpeechHandle

from agent.greeting import APOLOGY, Key, Phrase, PhraseCache
from agent.sound import Mouth
from telephony.dial_request import DialRequest

#: Units: seconds. How long the last words may take to be said.
FAREWELL_PATIENCE: Final = 15.0
#: The last word is still on its way through bridge and network when we have played it.
TAIL: Final = 0.35
_GREETING_PATIENCE: Final = 15.0
#: The callee is on the line and hears nothing meanwhile.
_RESCUE_PATIENCE: Final = 4.0


class Lines:
    """Gives and says the lines of one call, in its agent's voice."""

    def __init__(
        self,
        request: DialRequest,
        *,
        base_url: str,
        phrases: PhraseCache,
        tts: TTS[Any],
        session: AgentSession[None],
        mouth: Mouth,
    ) -> None:
        self._rescued = request.rescue is not None
        self._announcement = request.announcement
        self._config = request.agent
        self._base_url = base_url
        self._phrases = phrases
        self._tts = tts
        self._session = session
        self._mouth = mouth

    async def first(self) -> Phrase:
        """Give the greeting or announcement, or the line that says that the conversation goes on.

        Errors: whatever the models raise, TimeoutError.
        """
        if self._rescued:
            return await self.phrase(self._config.rescue_line, within=_RESCUE_PATIENCE)
        return await self.phrase(self._announcement or self._config.greeting)

    async def phrase(self, text: str, *, within: float = _GREETING_PATIENCE) -> Phrase:
        """Give a line as audio, made now if it never was.

        Errors: whatever the models raise, TimeoutError.
        """
        return await self._phrases.ready(self._key(text), self._tts, timeout=within)

    async def goodbye(self) -> Phrase:
        """Give the last line; errors as of ``phrase``."""
        return await self.phrase(self._config.goodbye)

    async def prepare(self) -> None:
        """Make the lines that may be needed later."""
        config = self._config
        for text in (config.goodbye, APOLOGY, config.silence_prompt, config.rescue_line):
            with contextlib.suppress(Exception):
                await self.phrase(text)

    def say(self, phrase: Phrase, *, interruptible: bool = True) -> SpeechHandle:
        """Say a line in the conversation."""
        return self._session.say(
            phrase.text, audio=phrase.audio(), allow_interruptions=interruptible
        )

    async def prompt(self) -> None:
        """Ask whether anybody is there."""
        with contextlib.suppress(Exception):
            prompt = await self.phrase(self._config.silence_prompt)
            self.say(prompt)

    @property
    def has_apology(self) -> bool:
        """Whether the line that says sorry is there."""
        return self._phrases.get(self._key(APOLOGY)) is not None

    async def apologise_at_once(self) -> None:
        """Say sorry if the line is there; nothing is made for it, and nothing is raised."""
        phrase = self._phrases.get(self._key(APOLOGY))
        if phrase is not None:
            self._mouth.open()
            await self._say_bare(phrase)

    async def apologise(self) -> None:
        """Say sorry on the bare track: the session is gone, the line was made before."""
        with contextlib.suppress(Exception):
            await self._say_bare(await self.phrase(APOLOGY))

    async def _say_bare(self, phrase: Phrase) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(FAREWELL_PATIENCE):
                async for frame in phrase.audio():
                    await self._mouth.capture_frame(frame)
                self._mouth.flush()
                await self._mouth.wait_for_playout()
        await asyncio.sleep(TAIL)

    def _key(self, text: str) -> Key:
        return Key(self._base_url, self._config.models.tts, self._config.voice, text)
