"""A callee who falls silent, and how LiveKit rates the connection."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc

from telephony.call import EndedReason
from tests.kit.ringing import Case

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
    monkeypatch.setattr("agent.connection_rating._EXPLAINED_WITHIN", 1.05)
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
    monkeypatch.setattr("agent.phone_leg._BACK_WITHIN", 0.05)
    case.leave(rtc.DisconnectReason.CONNECTION_TIMEOUT)
    assert (await asyncio.wait_for(case.end.wait(), 5)).reason is EndedReason.BRIDGE_LOST
    judged.cancel()
    await case.leg.aclose()
