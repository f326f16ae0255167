"""What no bridge takes, and what a carrier wants later, is dialled again; nothing else is."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from livekit import api

from telephony.call import EndedReason
from telephony.worker_contract import ReturnReason
from tests.kit.ringing import Bridge, Case, NoBridge
from tests.kit.until import until


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
    monkeypatch.setattr("agent.sip_leg._BRIDGE_PATIENCE", 0.0)
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
@pytest.mark.parametrize("taken", [True, False])
async def test_a_call_whose_refusal_the_bridge_lost_is_offered_again(taken: bool) -> None:
    case = Case()
    case.taken_back = taken
    await case.dial()
    text = "twirp error unknown: transaction failed to complete (0 intermediate responses)"
    case.bridge.answer.set_exception(api.ServerError("canceled", text, status=408))
    ending = await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    assert (case.given_back, case.why) == (1, ReturnReason.REFUSAL_LOST)
    assert len(case.bridge.asked) == 1
    assert ending.superseded is taken
    if not taken:
        assert ending.reason is EndedReason.CARRIER_ERROR
        assert ending.message == "the bridge lost the answer"


@pytest.mark.asyncio
async def test_a_phone_that_rang_is_not_offered_again_although_the_bridge_lost_the_end() -> None:
    case = Case()
    await case.dial()
    case.status("ringing")
    text = "transaction failed to complete (0 intermediate responses)"
    case.bridge.answer.set_exception(api.ServerError("canceled", text, status=408))
    await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    assert case.given_back == 0


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
@pytest.mark.fault("F19")
@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize(
    ("code", "words", "why"),
    [
        (503, "Service Unavailable", ReturnReason.TRUNK_UNAVAILABLE),
        (500, "Server Internal Error", ReturnReason.TRUNK_ERROR),
        (502, "Bad Gateway", ReturnReason.TRUNK_ERROR),
        (504, "Server Time-out", ReturnReason.TRUNK_ERROR),
        (403, "Forbidden", ReturnReason.TRUNK_AUTH),
        (407, "Proxy Authentication Required", ReturnReason.TRUNK_AUTH),
    ],
)
async def test_a_trunks_own_refusal_goes_to_the_dialer_where_there_is_another_trunk(
    taken: bool, code: int, words: str, why: ReturnReason
) -> None:
    case = Case(other_trunks=True)
    case.taken_back = taken
    await case.dial()
    case.bridge.answer.set_exception(_refused(code, words))
    ending = await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    assert (case.given_back, case.why) == (1, why)
    assert len(case.bridge.asked) == 1
    assert ending.superseded is taken
    if not taken:
        assert (ending.sip_status_code, ending.sip_status) == (code, words)


@pytest.mark.asyncio
@pytest.mark.fault("F19")
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (486, "Busy Here"),
        (480, "Temporarily Unavailable"),
        (404, "Not Found"),
        (408, "Request Timeout"),
        (603, "Decline"),
        (488, "Not Acceptable Here"),
        (403, "32203 Call blocked as potential fraud"),
    ],
)
async def test_what_the_callees_side_says_is_the_end_whatever_trunks_there_are(
    code: int, words: str
) -> None:
    case = Case(other_trunks=True)
    await case.dial()
    case.bridge.answer.set_exception(_refused(code, words))
    ending = await asyncio.wait_for(case.end.wait(), 5)
    await case.leg.aclose()
    assert (case.given_back, ending.sip_status_code) == (0, code)


@pytest.mark.asyncio
@pytest.mark.parametrize("late", [True, False])
async def test_a_phone_that_rang_is_not_called_by_another_trunk(late: bool) -> None:
    case = Case(other_trunks=True)
    await case.dial()
    if not late:
        case.status("ringing")
    case.bridge.answer.set_exception(_refused(503, "Service Unavailable"))
    if late:
        # The word that it rings travels another way than the result.
        await asyncio.sleep(0)
        case.status("ringing")
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
