"""A phone being called, in a room and over a bridge that do as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from livekit import api, rtc

from agent.dialer_client import PermitAnswer
from agent.ending import End
from agent.phone_leg import CALL_STATUS
from agent.sip_leg import SipLeg
from telephony.bridge_hold import Hold
from telephony.call import CallType
from telephony.dial_request import AgentConfig, DialRequest, Limits
from telephony.events import Data, EventType
from telephony.worker_contract import ReturnReason
from tests.kit.until import until


def request(
    call_type: CallType = CallType.SIP, ring: int = 5, *, other_trunks: bool = False
) -> DialRequest:
    """Make a request to call somebody."""
    return DialRequest(
        call_id="call_1",
        attempt_id="att_1",
        attempt_token="token",
        call_type=call_type,
        phone_number="+14155550100",
        caller_id="+14155550000",
        trunk_id="ST_1",
        other_trunks=other_trunks,
        limits=Limits(ring_timeout_seconds=ring, max_duration_seconds=60),
        agent=AgentConfig(name="default", instructions="Be kind.", greeting="Hello."),
    )


class Room:
    """A room that tells its listeners what a test makes happen."""

    name = "tel-att_1"

    def __init__(self) -> None:
        self.local_participant = SimpleNamespace(track_publications={"TR_agent": None})
        self.remote_participants: dict[str, Any] = {}
        self.connected = True
        self._listeners: dict[str, list[Callable[..., None]]] = {}

    def isconnected(self) -> bool:
        return self.connected

    def on(self, event: str, callback: Callable[..., None]) -> None:
        self._listeners.setdefault(event, []).append(callback)

    def off(self, event: str, callback: Callable[..., None]) -> None:
        self._listeners[event].remove(callback)

    def tell(self, event: str, *arguments: Any) -> None:
        """Make an event happen."""
        for listener in list(self._listeners.get(event, [])):
            listener(*arguments)

    @property
    def listeners(self) -> int:
        """Count who still listens."""
        return sum(len(listeners) for listeners in self._listeners.values())


class Bridge:
    """A SIP service that answers when told to, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[api.CreateSIPParticipantRequest] = []
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def create_sip_participant(
        self, create: api.CreateSIPParticipantRequest, *, timeout: float
    ) -> None:
        assert timeout > create.ringing_timeout.seconds
        self.asked.append(create)
        await asyncio.shield(self.answer)


class Rooms:
    """A room service that notes who is to hear what."""

    def __init__(self) -> None:
        self.asked: list[api.UpdateSubscriptionsRequest] = []
        self.error: Exception | None = None

    async def update_subscriptions(self, update: api.UpdateSubscriptionsRequest) -> None:
        self.asked.append(update)
        if self.error is not None:
            raise self.error


#: As livekit-server 1.13 says it.
NOBODY = "twirp error unknown: no response from servers"


class NoBridge(Bridge):
    """A SIP service without a bridge behind it, at first."""

    def __init__(self, *, times: int, message: str = NOBODY) -> None:
        super().__init__()
        self.times = times
        self.message = message

    async def create_sip_participant(
        self, create: api.CreateSIPParticipantRequest, *, timeout: float
    ) -> None:
        if len(self.asked) < self.times:
            self.asked.append(create)
            raise api.ServerError("unavailable", self.message, status=503)
        await super().create_sip_participant(create, timeout=timeout)


async def granted() -> PermitAnswer:
    """Give the permit."""
    return PermitAnswer.GRANTED


class Case:
    """A phone being called."""

    def __init__(self, ring: int = 5, *, other_trunks: bool = False) -> None:
        self.room, self.bridge, self.end = Room(), Bridge(), End()
        self.rooms = Rooms()
        #: What the bridge's end of the call is found to be, and how often that was asked.
        self.hold, self.questions = Hold.THERE, 0
        self.events: list[EventType] = []
        self.given_back, self.taken_back = 0, True
        self.why: ReturnReason | None = None
        self.leg = SipLeg(
            cast("rtc.Room", self.room),
            request(ring=ring, other_trunks=other_trunks),
            self.end,
            self.report,
            sip=cast("Any", self.bridge),
            give_back=self.give_back,
            rooms=cast("Any", self.rooms),
            ask_bridge=self.ask_bridge,
        )

    async def ask_bridge(self, room: str, identity: str) -> Hold:
        assert (room, identity) == (self.room.name, self.leg.identity)
        self.questions += 1
        return self.hold

    async def give_back(self, why: ReturnReason) -> bool:
        self.given_back += 1
        self.why = why
        return self.taken_back

    def report(
        self, type_: EventType, data: Data | None = None, *, at: datetime | None = None
    ) -> None:
        self.events.append(type_)

    async def dial(self, answer: PermitAnswer = PermitAnswer.GRANTED) -> None:
        async def permit() -> PermitAnswer:
            return answer

        await self.leg.reach(permit)
        await until(lambda: self.bridge.asked)

    def status(self, status: str) -> None:
        """Have the bridge tell how the call stands."""
        self.room.tell(
            "participant_attributes_changed",
            {CALL_STATUS: status},
            SimpleNamespace(identity="callee", attributes={CALL_STATUS: status}),
        )

    def publish(self, identity: str = "callee") -> None:
        """Have somebody publish a track."""
        self.room.tell("track_published", None, SimpleNamespace(identity=identity))

    def leave(self, reason: rtc.DisconnectReason.ValueType) -> None:
        """Have the callee leave."""
        self.room.tell(
            "participant_disconnected",
            SimpleNamespace(identity="callee", disconnect_reason=reason),
        )
