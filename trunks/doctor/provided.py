"""What the gateway hands to the doctor: the trunks it routes by, its LiveKit, and a phone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trunks.doctor.calling import Phone
from trunks.doctor.subject import Subject
from trunks.gateway import Provided

if TYPE_CHECKING:
    from trunks.desired import LiveKit


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidedToDoctor(Provided):
    """Everything that the gateway provides.

    Shape: ``subjects`` lists the trunks of the database and of the settings, and ``livekit`` gives
    the gateway's own: both are asked only for a trunk that the file does not have.
    """

    subjects: Callable[[], Awaitable[Sequence[Subject]]]
    livekit: Callable[[], LiveKit]
    phone: Callable[[LiveKit], AbstractAsyncContextManager[Phone]]
