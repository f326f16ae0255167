"""Keeps ready as audio what an agent says when it steps in for another one."""

from __future__ import annotations

import asyncio

from agent.greeting import APOLOGY, Key, PhraseCache
from agent.logs import get_logger
from agent.speech.pipeline import a_voice
from agent.speech.shared import SharedModels
from telephony.worker_contract import PhraseWanted, Welcome

#: Units: seconds. Nobody waits for these, and the models may be busy with calls.
_PATIENCE = 60.0
_AGAIN = 10.0

#: The share of the cache that they may take before no more are made: the rest is for what calls
#: say, and phrases that displaced each other would be synthesised over and over again.
_SHARE = 0.5

log = get_logger(__name__)


class Standby:
    """Makes the phrases that the dialer names, one at a time, beside the calls."""

    def __init__(self, shared: SharedModels, phrases: PhraseCache) -> None:
        self._shared = shared
        self._phrases = phrases
        self._making: asyncio.Task[None] | None = None
        self._full = False

    def wanted(self, welcome: Welcome) -> None:
        """Take the dialer's list; what is there already costs nothing."""
        keys = self._keys(welcome)
        missing = [key for key in keys if self._phrases.get(key) is None]
        if missing and (self._making is None or self._making.done()):
            self._making = asyncio.create_task(self._make(missing, keys))

    async def aclose(self) -> None:
        """Stop making them."""
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    def _keys(self, welcome: Welcome) -> list[Key]:
        texts = [(wanted, text) for wanted in welcome.phrases for text in (wanted.text, APOLOGY)]
        keys = [self._key(wanted, text) for wanted, text in texts]
        return list(dict.fromkeys(keys))

    def _key(self, wanted: PhraseWanted, text: str) -> Key:
        return Key(self._shared.base_url, wanted.model, wanted.voice, text)

    async def _make(self, missing: list[Key], keys: list[Key]) -> None:
        failed: list[str] = []
        for key in missing:
            if self._phrases.share_of(keys) >= _SHARE:
                self._note_full()
                break
            try:
                async with a_voice(self._shared, key.model, key.voice) as voice:
                    await self._phrases.ready(key, voice, timeout=_PATIENCE)
            except Exception as error:
                failed.append(type(error).__name__)
        if failed:
            log.warning("phrases_not_ready", phrases=len(failed), error=failed[0])
            await asyncio.sleep(_AGAIN)

    def _note_full(self) -> None:
        if not self._full:
            self._full = True
            log.warning("phrases_do_not_fit")
