"""May this caller come in now, and to hear what?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dialer.inbound.numbers import InboundNumber
from telephony.numbers import E164
from telephony.worker_contract import InboundRefused

CLOSED_MESSAGE: Final = (
    "Thank you for calling. We are closed at the moment. Please call again during our opening "
    "hours. Goodbye."
)


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call is answered; ``announcement`` is said instead of a conversation.

    Shape: ``overflow`` where it goes to the overflow number at once; the announcement is for where
    nothing can be dialled.
    """

    announcement: str | None = None
    overflow: bool = False


def admit(
    number: InboundNumber | None, caller: E164 | None, *, now: datetime
) -> Admitted | InboundRefused:
    """Decide about a call to a number; None is a number that nobody owns."""
    if number is None or not number.enabled:
        return InboundRefused.UNKNOWN_NUMBER
    if number.blocks(caller):
        return InboundRefused.BLOCKED
    if number.hours is not None and not number.hours.is_open(now):
        elsewhere = number.closed_message is None and number.overflow_number is not None
        return Admitted(number.closed_message or CLOSED_MESSAGE, overflow=elsewhere)
    return Admitted()
