"""What a phone's silence means: no media from the carrier, a bridge that died, a lost hang-up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from agent.ending import Ending
from agent.logs import get_logger
from telephony.bridge_hold import Hold
from telephony.call import EndedReason

#: Units: seconds without a packet after which the bridge is asked, and how often from then on.
_ASK_AFTER: Final = 2.0
_ASK_EVERY: Final = 5.0
#: How soon a surprising answer is asked for again.
_ASK_AGAIN: Final = 1.0
#: For how long a bridge must have let go, with no packet since.
_SURE_AFTER: Final = 2.0
#: The same where LiveKit could not be asked a moment ago: the bridge may be connecting anew.
_SURE_AFTER_TROUBLE: Final = 10.0
#: By then a silence that nobody could explain is one of the carrier's.
_EXPLAINED_WITHIN: Final = 25.0
#: So many questions that a living bridge would have answered: asked within the five seconds between
#: our limit and the moment at which LiveKit itself lets go of a bridge that died.
_UNANSWERED: Final = 2

log = get_logger(__name__)

Ask = Callable[[], Awaitable[Hold]]


class PhoneSilence:
    """Judges a phone whose packets stopped, by asking the bridge."""

    def __init__(self, ask: Ask, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock

    async def until_let_go(self, silent_for: Callable[[], float]) -> None:
        """Return once the bridge has let go of a phone that nobody saw leave.

        Shape: ``silent_for`` gives the seconds since the newest packet.
        """
        since: float | None = None
        needed = _SURE_AFTER
        while True:
            left = _ASK_AFTER - silent_for()
            if left > 0:
                since, needed = None, _SURE_AFTER
                await asyncio.sleep(max(left, 0.1))
                continue
            hold = await self._ask()
            if hold is Hold.UNKNOWN:
                needed = _SURE_AFTER_TROUBLE
            if hold is not Hold.LET_GO:
                since = None
                await asyncio.sleep(_ASK_EVERY if hold is Hold.THERE else _ASK_AGAIN)
                continue
            since = self._clock() if since is None else since
            if self._clock() - since >= needed and silent_for() >= _ASK_AFTER:
                log.warning("leaving_was_missed", silent_seconds=round(silent_for(), 1))
                return
            await asyncio.sleep(_ASK_AGAIN)

    async def why(self, seconds: float, hung_up: Ending) -> Ending:
        """Judge a phone whose packets stopped so long ago; ``hung_up`` where the bridge let go."""
        give_up = self._clock() - seconds + _EXPLAINED_WITHIN
        unanswered = 0
        while True:
            hold = await self._ask()
            if hold is Hold.THERE:
                return Ending(EndedReason.MEDIA_TIMEOUT)
            if hold is Hold.LET_GO:
                return hung_up
            unanswered += hold is Hold.NO_ANSWER
            given_up = self._clock() >= give_up
            if unanswered >= _UNANSWERED or (given_up and unanswered):
                lost = "the bridge was gone with the call's media"
                return Ending(EndedReason.BRIDGE_LOST, message=lost)
            if given_up:
                return Ending(EndedReason.MEDIA_TIMEOUT)
            await asyncio.sleep(_ASK_AGAIN)
