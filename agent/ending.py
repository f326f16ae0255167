"""How a call ended, told once: whoever sees the end first decides it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from telephony.call import EndedBy, EndedReason
from telephony.termination import ENDED_BY


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a call is over, and what the bridge told about it.

    Shape: ``sip_status_code`` and ``sip_status`` are None where the bridge told none.
    """

    reason: EndedReason
    sip_status_code: int | None = None
    sip_status: str | None = None
    message: str | None = None
    #: The call goes on with another agent: nothing of it is ours to end.
    superseded: bool = False
    #: The bridge was asked about it: no sign of another end is to be read into it.
    proven: bool = False

    @property
    def ended_by(self) -> EndedBy:
        """Name the party that ended the call."""
        return ENDED_BY[self.reason]


class End:
    """The end of one call, as a thing to wait for.

    The first ending stands: what follows an end (a participant leaves because we removed it) is its
    consequence, not another end.
    """

    def __init__(self) -> None:
        self._known: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def decide(self, ending: Ending) -> bool:
        """Take the ending unless one stands already; say whether it was taken."""
        if self._known.done():
            return False
        self._known.set_result(ending)
        return True

    @property
    def decided(self) -> bool:
        """Whether an ending stands."""
        return self._known.done()

    async def wait(self) -> Ending:
        """Wait for the ending."""
        return await asyncio.shield(self._known)


SUPERSEDED: Final = Ending(
    EndedReason.LOST, message="another agent took the call over", superseded=True
)


def with_message(ending: Ending, message: str) -> Ending:
    """Give the ending with a sentence for the person who looks into it."""
    return replace(ending, message=message)
