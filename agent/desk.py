"""What the worker gives to each of its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from livekit import api
from livekit.agents import utils

from agent.bridge_hold import BridgeHold
from agent.dialer_client import PermitAnswer
from agent.ending import End
from agent.greeting import PhraseCache
from agent.reporter import Reporter
from agent.speech.shared import SharedModels
from agent.spool import Owner
from telephony.dial_request import DialRequest
from telephony.worker_contract import InboundAnswer, InboundOffer, ReturnReason


class Office(Protocol):
    """What the worker gives to each of its jobs; safe to use from any thread."""

    def reporter(self, owner: Owner) -> Reporter:
        """Give the reporter of one attempt."""
        ...

    async def permit(self, request: DialRequest) -> PermitAnswer:
        """Ask the dialer for the permit of this attempt."""
        ...

    async def return_permit(self, request: DialRequest, why: ReturnReason) -> bool:
        """Give back the permit of this attempt; say whether the dialer took it."""
        ...

    async def offer(self, offer: InboundOffer) -> InboundAnswer | None:
        """Offer a call that came in to the dialer; None where it cannot be asked, or takes none."""
        ...

    async def is_current(self, request: DialRequest) -> bool:
        """Ask the dialer whether this agent still is the one of its attempt."""
        ...

    async def take_over(self, request: DialRequest) -> bool:
        """Ask the dialer to be the one that takes this conversation over."""
        ...

    async def hand_over(self, request: DialRequest, *, can_apologise: bool) -> bool:
        """Offer a caller who was not answered to the dialer; say whether it has the call now."""
        ...

    def enter(self, end: End, request: DialRequest) -> object:
        """Note a live call, which the worker may have to end."""
        ...

    def leave(self, entry: object) -> None:
        """Forget a call."""
        ...


@dataclass(frozen=True)
class Desk:
    """What a job works with."""

    office: Office
    shared: SharedModels
    phrases: PhraseCache
    recordings: Path
    worker_id: str
    livekit_url: str
    livekit_api_key: str
    livekit_api_secret: str
    media_timeout: timedelta
    media_timeout_initial: timedelta
    failpoints: bool = False

    def livekit(self) -> api.LiveKitAPI:
        """Give a client of LiveKit's for one job, on the job's own event loop."""
        # The SDK's failover would send a request, and an INVITE, twice.
        return api.LiveKitAPI(
            self.livekit_url,
            self.livekit_api_key,
            self.livekit_api_secret,
            session=utils.http_context.http_session(),
            failover=False,
        )

    def bridge_hold(self) -> BridgeHold:
        """Give what asks the bridge about a phone, on the job's own event loop."""
        return BridgeHold(
            utils.http_context.http_session(),
            self.livekit_url,
            self.livekit_api_key,
            self.livekit_api_secret,
            failover=False,
        )

    def __repr__(self) -> str:
        return f"Desk({self.worker_id})"
