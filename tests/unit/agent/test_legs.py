"""The other side of the call, against a room and a bridge that do as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import api, rtc

from agent.dialer_client import PermitAnswer
from agent.ending import End, Ending
from agent.legs import CALL_STATUS, NotPermitted, SipLeg, VoipLeg, hang_up, invitation
from telephony.call import CallType, EndedReason
from telephony.dial_request import AgentConfig, DialRequest, Limits
from telephony.events import Data, EventType
from telephony.worker_contract import ReturnReason
from tests.kit.until import until

_D = rtc.DisconnectReason


def request(call_type: CallType = CallType.SIP, ring: int = 5) -> DialRequest:
    """Make a request to call somebody."""
    return DialRequest(
        call_id="call_1",
        attempt_id="att_1",
        attempt_token="token",
        call_type=call_type,
        phone_number="+14155550100",
        caller_id="+14155550000",
        trunk_id="ST_1",
        limits=Limits(ring_timeout_seconds=ring, max_duration_seconds=60),
        agent=AgentConfig(name="default", instructions="Be kind.", greeting="Hello."),
    )


class Room:
    """A room that tells its listeners what a test makes happen."""

    name = "tel-att_1"

    def __init__(self) -> None:
        self.local_participant = SimpleNamespace(track_publications={"TR_agent": None})
        self.remote_participants: dict[str, Any] = {}
        self._listeners: dict[str, list[Callable[..., None]]] = {}

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


class Case:
    """A phone being called."""

    def __init__(self, ring: int = 5) -> None:
        self.room, self.bridge, self.end = Room(), Bridge(), End()
        self.rooms = Rooms()
        self.events: list[EventType] = []
        self.given_back, self.taken_back = 0, True
        self.why: ReturnReason | None = None
        self.leg = SipLeg(
            cast("rtc.Room", self.room),
            request(ring=ring),
            self.end,
            self.report,
            sip=cast("Any", self.bridge),
            give_back=self.give_back,
            rooms=cast("Any", self.rooms),
        )

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

    def rate(self, quality: rtc.ConnectionQuality, identity: str = "callee") -> None:
        """Have LiveKit rate somebody's connection."""
        rated = SimpleNamespace(identity=identity)
        self.room.tell("connection_quality_changed", rated, quality)

    def publish(self, identity: str = "callee") -> None:
        """Have somebody publish a track."""
        self.room.tell("track_published", None, SimpleNamespace(identity=identity))

    def leave(self, reason: rtc.DisconnectReason.ValueType) -> None:
        """Have the callee leave."""
        self.room.tell(
            "participant_disconnected",
            SimpleNamespace(identity="callee", disconnect_reason=reason),
        )


def test_the_request_that_rings_a_phone_shows_nobody_its_number() -> None:
    asked = invitation(request(ring=20), "tel-att_1")
    assert asked.participant_identity == "callee"
    assert asked.hide_phone_number
    assert asked.headers == {"X-Attempt-Id": "att_1"}
    assert asked.wait_until_answered
    assert not asked.play_dialtone
    assert asked.sip_number == "+14155550000"
    assert asked.ringing_timeout.seconds == 20
    assert asked.max_call_duration.seconds == 85


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [PermitAnswer.REFUSED, PermitAnswer.UNREACHABLE])
async def test_without_a_permit_nobody_is_rung(answer: PermitAnswer) -> None:
    case = Case()

    async def permit() -> PermitAnswer:
        return answer

    with pytest.raises(NotPermitted):
        await case.leg.reach(permit)
    await case.leg.aclose()
    assert case.bridge.asked == []
    assert not case.leg.permitted
    assert case.events in ([], ["call.warning"])


@pytest.mark.asyncio
async def test_ringing_and_answer_are_told_once_each() -> None:
    case = Case()
    await case.dial()
    for status in ("dialing", "ringing", "ringing", "active"):
        case.status(status)
    case.bridge.answer.set_result(None)
    await until(lambda: case.leg.answered.is_set())
    await case.leg.aclose()
    assert case.events == ["call.ringing", "call.answered"]
    assert len(case.bridge.asked) == 1
    assert case.room.listeners == 0


@pytest.mark.asyncio
async def test_joining_the_room_is_not_an_answer() -> None:
    case = Case()
    await case.dial()
    joined = SimpleNamespace(identity="callee", attributes={CALL_STATUS: "dialing"})
    case.room.tell("participant_connected", joined)
    assert not case.leg.answered.is_set()
    await case.leg.aclose()


@pytest.mark.asyncio
async def test_the_bridge_listens_to_the_agent_before_the_answer() -> None:
    case = Case()
    await case.dial()
    # Before it has published, its room is not ready: it would ignore our track for good.
    case.room.tell("participant_connected", SimpleNamespace(identity="callee", attributes={}))
    case.publish("somebody else")
    case.publish()
    await until(lambda: case.rooms.asked)
    await case.leg.aclose()
    expected = api.UpdateSubscriptionsRequest(
        room="tel-att_1", identity="callee", track_sids=["TR_agent"], subscribe=True
    )
    assert case.rooms.asked == [expected]
    assert not case.leg.answered.is_set()


@pytest.mark.asyncio
async def test_a_bridge_that_cannot_listen_early_does_not_end_the_call() -> None:
    case = Case()
    case.rooms.error = api.ServerError("unavailable", "no response from servers", status=503)
    await case.dial()
    case.publish()
    await until(lambda: case.rooms.asked)
    case.bridge.answer.set_result(None)
    await until(lambda: case.leg.answered.is_set())
    await case.leg.aclose()
    assert not case.end.decided
    assert case.events == ["call.answered"]


@pytest.mark.asyncio
async def test_busy_ends_the_call_with_its_sip_code() -> None:
    case = Case()
    await case.dial()
    case.leave(_D.USER_REJECTED)
    case.bridge.answer.set_exception(
        api.SipCallError(
            "resource_exhausted",
            "busy",
            status=429,
            metadata={"sip_status_code": "486", "sip_status": "Busy Here"},
        )
    )
    ending = await case.end.wait()
    await case.leg.aclose()
    assert (ending.reason, ending.sip_status_code) == (EndedReason.BUSY, 486)


@pytest.mark.asyncio
async def test_a_hang_up_while_ringing_is_the_api_s_although_the_bridge_says_canceled() -> None:
    case = Case(ring=30)
    await case.dial()
    case.status("ringing")
    case.bridge.answer.set_exception(
        api.ServerError("canceled", "sip request timed out", status=408)
    )
    await asyncio.sleep(0)
    case.leave(_D.PARTICIPANT_REMOVED)
    assert (await case.end.wait()).reason is EndedReason.API_HANGUP
    await case.leg.aclose()


@pytest.mark.asyncio
async def test_a_deleted_room_ends_a_ringing_call_at_once() -> None:
    case = Case()
    await case.dial()
    case.room.tell("disconnected", _D.ROOM_DELETED)
    assert (await case.end.wait()).reason is EndedReason.API_HANGUP
    await case.leg.aclose()


@pytest.mark.asyncio
@pytest.mark.fault("F29")
@pytest.mark.parametrize(
    ("came", "reason"), [(False, EndedReason.BRIDGE_LOST), (True, EndedReason.API_HANGUP)]
)
async def test_a_room_that_closes_before_the_callee_came_is_the_bridges_loss(
    came: bool, reason: EndedReason
) -> None:
    case = Case()
    await case.dial()
    if came:
        case.status("dialing")
    case.room.tell("disconnected", _D.ROOM_CLOSED)
    assert (await case.end.wait()).reason is reason
    await case.leg.aclose()


@pytest.mark.asyncio
async def test_a_bridge_that_vanishes_is_not_asked_again() -> None:
    case = Case()
    await case.dial()
    case.bridge.answer.set_exception(ConnectionResetError())
    await asyncio.sleep(0.1)
    assert not case.end.decided
    case.status("active")
    assert case.leg.answered.is_set()
    case.leave(_D.CLIENT_INITIATED)
    assert (await case.end.wait()).reason is EndedReason.CALLEE_HANGUP
    await case.leg.aclose()
    assert len(case.bridge.asked) == 1


@pytest.mark.asyncio
async def test_a_browser_answers_with_its_audio_and_hangs_up_by_leaving() -> None:
    room, end = Room(), End()
    events: list[EventType] = []

    def report(type_: EventType, data: Data | None = None, *, at: datetime | None = None) -> None:
        events.append(type_)

    leg = VoipLeg(cast("rtc.Room", room), request(CallType.VOIP), end, report)

    async def permit() -> PermitAnswer:
        return PermitAnswer.GRANTED

    await leg.reach(permit)
    assert leg.permitted
    browser = SimpleNamespace(identity="browser", disconnect_reason=_D.SIGNAL_CLOSE)
    room.tell("participant_connected", browser)
    assert events == []
    track = SimpleNamespace(kind=rtc.TrackKind.KIND_AUDIO)
    room.tell("track_subscribed", track, None, browser)
    assert events == ["call.answered"]
    room.tell("participant_disconnected", browser)
    assert (await end.wait()).reason is EndedReason.CALLEE_HANGUP
    await leg.aclose()


@pytest.mark.asyncio
async def test_nobody_is_rung_when_the_end_came_with_the_permit() -> None:
    case = Case()

    async def permit() -> PermitAnswer:
        case.end.decide(Ending(EndedReason.API_HANGUP))
        return PermitAnswer.GRANTED

    await case.leg.reach(permit)
    assert case.leg.permitted
    await asyncio.sleep(0.01)
    assert case.bridge.asked == []
    await case.leg.aclose()


@pytest.mark.asyncio
async def test_nobody_is_rung_when_the_end_came_just_before_the_invite() -> None:
    case = Case()

    async def permit() -> PermitAnswer:
        return PermitAnswer.GRANTED

    await case.leg.reach(permit)
    case.end.decide(Ending(EndedReason.API_HANGUP))
    await asyncio.sleep(0.01)
    assert case.bridge.asked == []
    await case.leg.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rang", "text", "reason"),
    [
        (True, "sip request timed out", EndedReason.RING_TIMEOUT),
        (False, "transaction failed to complete", EndedReason.CARRIER_ERROR),
        (True, "service is shutting down", EndedReason.BRIDGE_LOST),
    ],
)
async def test_a_cancelled_dialling_is_no_hang_up_unless_somebody_was_taken_out(
    rang: bool, text: str, reason: EndedReason
) -> None:
    case = Case(ring=60)
    await case.dial()
    if rang:
        case.status("ringing")
    case.bridge.answer.set_exception(api.ServerError("canceled", text, status=408))
    assert (await case.end.wait()).reason is reason
    await case.leg.aclose()


@pytest.mark.asyncio
async def test_a_deletion_that_hangs_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.legs._DELETE_PATIENCE", 0.05)
    tries: list[str] = []

    class Rooms:
        async def delete_room(self, delete: api.DeleteRoomRequest) -> None:
            tries.append(delete.room)
            if len(tries) == 1:
                await asyncio.sleep(60)

    assert await hang_up(cast("Any", Rooms()), "tel-att_1")
    assert tries == ["tel-att_1"] * 2


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


@pytest.mark.asyncio
@pytest.mark.fault("F5", "F6")
async def test_a_call_that_no_bridge_took_is_offered_again() -> None:
    case = Case()
    bridge = NoBridge(times=1)
    case.leg._sip = cast("Any", bridge)  # pyright: ignore[reportPrivateUsage]
    case.bridge = bridge
    await case.dial()
    await until(lambda: len(bridge.asked) == 2)
    bridge.answer.set_result(None)
    await until(lambda: case.leg.answered.is_set())
    await case.leg.aclose()
    assert len(bridge.asked) == 2
    assert case.events == ["call.answered"]


@pytest.mark.asyncio
@pytest.mark.fault("F5", "F6")
@pytest.mark.parametrize("taken", [True, False])
async def test_a_permit_that_no_bridge_takes_goes_back_to_the_dialer(
    taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.legs._BRIDGE_PATIENCE", 0.0)
    case = Case()
    case.taken_back = taken
    case.leg._sip = cast("Any", NoBridge(times=99))  # pyright: ignore[reportPrivateUsage]
    case.bridge = cast("Bridge", case.leg._sip)  # pyright: ignore[reportPrivateUsage]
    await case.dial()
    ending = await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    # What the dialer does not take back is ours to end.
    assert (ending.reason, ending.superseded) == (EndedReason.BRIDGE_LOST, taken)
    assert case.given_back == 1
    assert len(case.bridge.asked) == 1


def _refused(code: int, words: str) -> api.SipCallError:
    metadata = {"sip_status_code": str(code), "sip_status": words}
    return api.SipCallError("unavailable", "INVITE failed", status=503, metadata=metadata)


@pytest.mark.asyncio
@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize(
    ("code", "words"),
    [(503, "CPS limit exceeded"), (503, "Too Many Calls Per Second"), (403, "Channel limit")],
)
async def test_a_carrier_that_wants_fewer_calls_gets_this_one_again_later(
    taken: bool, code: int, words: str
) -> None:
    case = Case()
    case.taken_back = taken
    await case.dial()
    case.bridge.answer.set_exception(_refused(code, words))
    ending = await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    assert (case.given_back, case.why) == (1, ReturnReason.TOO_FAST)
    assert ending.superseded is taken
    if not taken:
        assert (ending.sip_status_code, ending.sip_status) == (code, words)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("code", "words"),
    [(503, "Service Unavailable"), (403, "Forbidden"), (486, "Too many calls per second")],
)
async def test_a_refusal_that_is_not_about_the_pace_is_the_end(code: int, words: str) -> None:
    case = Case()
    await case.dial()
    case.bridge.answer.set_exception(_refused(code, words))
    ending = await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    assert (case.given_back, ending.sip_status_code) == (0, code)


@pytest.mark.asyncio
async def test_a_phone_that_rang_is_not_called_again_for_the_pace() -> None:
    case = Case()
    await case.dial()
    case.status("ringing")
    case.bridge.answer.set_exception(_refused(503, "CPS limit exceeded"))
    ending = await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    assert (case.given_back, ending.sip_status_code) == (0, 503)


@pytest.mark.asyncio
async def test_a_bridge_that_took_the_call_and_failed_is_not_asked_again() -> None:
    case = Case()
    bridge = NoBridge(times=99, message="something else was not available")
    case.leg._sip = cast("Any", bridge)  # pyright: ignore[reportPrivateUsage]
    case.bridge = bridge
    await case.dial()
    ending = await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    assert (ending.reason, ending.superseded) == (EndedReason.BRIDGE_LOST, False)
    assert case.given_back == 0
    assert len(bridge.asked) == 1


_Q = rtc.ConnectionQuality


@pytest.mark.asyncio
@pytest.mark.fault("F7", "F24")
@pytest.mark.parametrize(
    ("quality", "reason"),
    [(_Q.QUALITY_LOST, EndedReason.BRIDGE_LOST), (_Q.QUALITY_POOR, EndedReason.MEDIA_TIMEOUT)],
)
@pytest.mark.parametrize("late", [False, True], ids=["rated before", "rated later"])
async def test_a_silence_is_judged_by_the_rating_that_follows_it(
    quality: rtc.ConnectionQuality, reason: EndedReason, late: bool
) -> None:
    case = Case()
    if not late:
        case.rate(quality)
    judged = asyncio.ensure_future(case.leg.why_silent(12.0))
    await asyncio.sleep(0)
    for other in (_Q.QUALITY_LOST, _Q.QUALITY_POOR):
        case.rate(other, identity="agent-1")
    case.rate(_Q.QUALITY_EXCELLENT)
    if late:
        await asyncio.sleep(0)
        assert not judged.done()
        case.rate(quality)
    ending = await asyncio.wait_for(judged, 5)
    await case.leg.aclose()
    assert ending is not None and ending.reason is reason


@pytest.mark.asyncio
@pytest.mark.fault("F24")
@pytest.mark.parametrize(("before", "silent"), [(_Q.QUALITY_LOST, -1.0), (_Q.QUALITY_POOR, 1.0)])
async def test_a_silence_that_nobody_rates_is_lost_media(
    before: rtc.ConnectionQuality, silent: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.legs._EXPLAINED_WITHIN", 1.05)
    case = Case()
    case.rate(before)
    # What was rated before the silence, or early in it, tells nothing about it.
    ending = await case.leg.why_silent(silent)
    await case.leg.aclose()
    assert ending is not None and ending.reason is EndedReason.MEDIA_TIMEOUT


@pytest.mark.asyncio
@pytest.mark.fault("F7")
async def test_a_silence_early_in_a_call_is_explained_by_the_callee_s_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case()
    await case.dial()
    case.status("active")
    judged = asyncio.ensure_future(case.leg.why_silent(12.0))
    await asyncio.sleep(0)
    # A bridge that died before its first sender report is rated like this, too.
    case.rate(_Q.QUALITY_POOR)
    await asyncio.sleep(0)
    assert not judged.done()
    monkeypatch.setattr("agent.legs._BACK_WITHIN", 0.05)
    case.leave(_D.CONNECTION_TIMEOUT)
    assert (await asyncio.wait_for(case.end.wait(), 5)).reason is EndedReason.BRIDGE_LOST
    judged.cancel()
    await case.leg.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_callee_who_is_gone_without_a_reason_may_come_back(
    comes_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.legs._BACK_WITHIN", 0.2)
    # What is judged before the answer must not judge a call that was answered.
    monkeypatch.setattr("agent.legs._SAME_END", 0.02)
    case = Case()
    await case.dial()
    case.status("active")
    case.leave(_D.SIGNAL_CLOSE)
    await asyncio.sleep(0)
    assert not case.end.decided
    if comes_back:
        case.room.tell("participant_connected", SimpleNamespace(identity="callee", attributes={}))
        await asyncio.sleep(0.3)
        assert not case.end.decided
        case.leave(_D.USER_REJECTED)
        assert (await case.end.wait()).reason is EndedReason.CALLEE_HANGUP
    else:
        assert (await asyncio.wait_for(case.end.wait(), 5)).reason is EndedReason.BRIDGE_LOST
    await case.leg.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_phone_rings_on_when_the_connection_to_its_room_is_made_anew(
    comes_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.legs._SAME_END", 0.05)
    case = Case()
    await case.dial()
    case.status("ringing")
    case.leave(_D.UNKNOWN_REASON)
    if comes_back:
        case.room.tell("participant_connected", SimpleNamespace(identity="callee", attributes={}))
        await asyncio.sleep(0.2)
        assert not case.end.decided
    else:
        assert (await asyncio.wait_for(case.end.wait(), 5)).reason is EndedReason.BRIDGE_LOST
    await case.leg.aclose()


@pytest.mark.asyncio
async def test_a_callee_who_comes_back_may_be_gone_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.legs._BACK_WITHIN", 0.05)
    case = Case()
    await case.dial()
    case.status("active")
    case.leave(_D.SIGNAL_CLOSE)
    case.room.tell("participant_connected", SimpleNamespace(identity="callee", attributes={}))
    await asyncio.sleep(0.01)
    case.leave(_D.SIGNAL_CLOSE)
    assert (await asyncio.wait_for(case.end.wait(), 5)).reason is EndedReason.BRIDGE_LOST
    await case.leg.aclose()
