"""A phone that rings, is answered and is left, over a bridge that does as told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from livekit import api, rtc

from agent.dialer_client import PermitAnswer
from agent.ending import Ending
from agent.invitation import invitation
from agent.leg import NotPermitted
from agent.phone_leg import CALL_STATUS
from telephony.call import EndedReason
from tests.kit.ringing import Case, granted, request
from tests.kit.until import until

_D = rtc.DisconnectReason


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

    await case.leg.reach(granted)
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
@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_callee_who_is_gone_without_a_reason_may_come_back(
    comes_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.phone_leg._BACK_WITHIN", 0.2)
    # What is judged before the answer must not judge a call that was answered.
    monkeypatch.setattr("agent.sip_leg._SAME_END", 0.02)
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


class Unheard:
    """A track of the callee that is subscribed to only when it is asked for anew."""

    kind = rtc.TrackKind.KIND_AUDIO

    def __init__(self) -> None:
        self.track: object | None = None
        self.asked: list[bool] = []

    def set_subscribed(self, wanted: bool) -> None:
        self.asked.append(wanted)
        if self.asked[-2:] == [False, True]:
            self.track = object()


@pytest.mark.fault("F9")
@pytest.mark.asyncio
async def test_a_callee_who_came_back_before_the_agent_is_heard_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.phone_leg._SUBSCRIBED_WITHIN", 0.01)
    case = Case()
    await case.dial()
    case.status("active")
    case.leave(_D.UNKNOWN_REASON)
    await asyncio.sleep(0)
    unheard = Unheard()
    back = SimpleNamespace(
        identity="callee", attributes={}, track_publications={"TR_callee": unheard}
    )
    case.room.remote_participants["callee"] = back
    case.room.tell("participant_connected", back)
    await until(lambda: unheard.track)
    await asyncio.sleep(0.05)
    assert unheard.asked == [False, True]
    assert not case.end.decided
    await case.leg.aclose()


@pytest.mark.fault("F9")
@pytest.mark.asyncio
async def test_a_callee_who_is_gone_with_his_server_is_not_judged_by_his_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.phone_leg._SUBSCRIBED_WITHIN", 0.01)
    monkeypatch.setattr("agent.phone_leg._HEARD_WITHIN", 0.01)
    case = Case()
    await case.dial()
    case.status("active")
    case.leave(_D.UNKNOWN_REASON)
    await asyncio.sleep(0)
    judging = asyncio.ensure_future(case.leg.why_silent(60.0))
    await asyncio.sleep(0.1)
    assert not judging.done()
    case.room.tell("participant_connected", SimpleNamespace(identity="callee", attributes={}))
    judged = await asyncio.wait_for(judging, 5)
    assert judged is not None and judged.reason is EndedReason.MEDIA_TIMEOUT
    await case.leg.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_phone_rings_on_when_the_connection_to_its_room_is_made_anew(
    comes_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.sip_leg._SAME_END", 0.05)
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
    monkeypatch.setattr("agent.phone_leg._BACK_WITHIN", 0.05)
    case = Case()
    await case.dial()
    case.status("active")
    case.leave(_D.SIGNAL_CLOSE)
    case.room.tell("participant_connected", SimpleNamespace(identity="callee", attributes={}))
    await asyncio.sleep(0.01)
    case.leave(_D.SIGNAL_CLOSE)
    assert (await asyncio.wait_for(case.end.wait(), 5)).reason is EndedReason.BRIDGE_LOST
    await case.leg.aclose()
