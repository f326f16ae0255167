"""A phone that falls silent, and what the bridge says when it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest
from livekit import rtc

from agent import phone_silence
from agent.ending import Ending
from agent.phone_silence import PhoneSilence
from telephony.bridge_hold import Hold
from telephony.call import EndedReason
from tests.kit.ringing import Case
from tests.kit.until import until

pytestmark = pytest.mark.asyncio

HUNG_UP = Ending(EndedReason.CALLEE_HANGUP)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    for name in ("_ASK_EVERY", "_ASK_AGAIN"):
        monkeypatch.setattr(phone_silence, name, 0.0)


class Asked:
    """A bridge that answers in this order, and its last answer for ever; each takes a second."""

    def __init__(self, answers: Iterable[Hold]) -> None:
        self._answers: Iterator[Hold] = iter(answers)
        self._last = Hold.THERE
        self.times = 0
        self.now = 0.0

    async def ask(self) -> Hold:
        await asyncio.sleep(0)
        self.times += 1
        self.now += 1.0
        self._last = next(self._answers, self._last)
        return self._last


@pytest.mark.fault("F7", "F24")
@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([Hold.THERE], EndedReason.MEDIA_TIMEOUT),
        ([Hold.NO_ANSWER], EndedReason.BRIDGE_LOST),
        ([Hold.NO_ANSWER, Hold.THERE], EndedReason.MEDIA_TIMEOUT),
        ([Hold.NO_ANSWER, Hold.LET_GO], EndedReason.CALLEE_HANGUP),
        ([Hold.UNKNOWN, Hold.NO_ANSWER], EndedReason.BRIDGE_LOST),
        # LiveKit let go of it after the first question: there is nobody left to ask about.
        ([Hold.NO_ANSWER, Hold.UNKNOWN], EndedReason.BRIDGE_LOST),
        ([Hold.UNKNOWN], EndedReason.MEDIA_TIMEOUT),
    ],
)
async def test_a_silence_is_what_the_bridge_says_it_is(
    answers: list[Hold], reason: EndedReason
) -> None:
    bridge = Asked(answers)
    silence = PhoneSilence(bridge.ask, clock=lambda: bridge.now)
    ending = await asyncio.wait_for(silence.why(12.0, HUNG_UP), 5)
    assert ending.reason is reason
    assert bridge.times >= len(answers)


@pytest.mark.fault("F26")
@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([Hold.LET_GO], 3),
        ([Hold.THERE, Hold.LET_GO], 4),
        ([Hold.LET_GO, Hold.THERE, Hold.LET_GO], 5),
        # LiveKit was out of reach: whoever let go may be on the way back.
        ([Hold.UNKNOWN, Hold.LET_GO], 12),
    ],
)
async def test_a_hang_up_that_livekit_missed_is_noticed_once_it_is_sure(
    answers: list[Hold], asked: int
) -> None:
    bridge = Asked(answers)
    silence = PhoneSilence(bridge.ask, clock=lambda: bridge.now)
    await asyncio.wait_for(silence.until_let_go(lambda: 2.0 + bridge.now), 5)
    assert bridge.times == asked


async def test_who_is_heard_is_not_asked_about_and_a_dead_bridge_is_no_hang_up() -> None:
    bridge = Asked([Hold.LET_GO])
    silence = PhoneSilence(bridge.ask, clock=lambda: bridge.now)
    watching = asyncio.ensure_future(silence.until_let_go(lambda: 0.5))
    await asyncio.sleep(0.3)
    assert bridge.times == 0
    watching.cancel()

    bridge = Asked([Hold.NO_ANSWER])
    silence = PhoneSilence(bridge.ask, clock=lambda: bridge.now)
    watching = asyncio.ensure_future(silence.until_let_go(lambda: 30.0))
    await until(lambda: bridge.times > 20)
    assert not watching.done()
    watching.cancel()


async def test_a_bridge_that_let_go_and_is_heard_again_ends_nothing() -> None:
    bridge = Asked([Hold.LET_GO])
    silent = [2.0, 2.0, 2.0, 0.0]
    silence = PhoneSilence(bridge.ask, clock=lambda: bridge.now)
    watching = asyncio.ensure_future(
        silence.until_let_go(lambda: silent.pop(0) if len(silent) > 1 else silent[0])
    )
    await asyncio.sleep(0.3)
    assert bridge.times == 3
    assert not watching.done()
    watching.cancel()


@pytest.mark.fault("F7")
async def test_a_phone_is_asked_about_by_its_name_in_its_room() -> None:
    case = Case()
    case.hold = Hold.LET_GO
    ending = await case.leg.why_silent(12.0)
    assert ending is not None and ending.reason is EndedReason.CALLEE_HANGUP
    assert case.questions == 1
    await case.leg.aclose()


@pytest.mark.fault("F7")
async def test_a_phone_that_leaves_while_its_silence_is_judged_decides_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case()
    case.hold = Hold.UNKNOWN
    await case.dial()
    case.status("active")
    judged = asyncio.ensure_future(case.leg.why_silent(0.0))
    await until(lambda: case.questions > 2)
    assert not judged.done()
    monkeypatch.setattr("agent.phone_leg._BACK_WITHIN", 0.05)
    case.leave(rtc.DisconnectReason.CONNECTION_TIMEOUT)
    assert (await asyncio.wait_for(case.end.wait(), 5)).reason is EndedReason.BRIDGE_LOST
    judged.cancel()
    await case.leg.aclose()


@pytest.mark.fault("F7")
async def test_a_phone_that_left_is_judged_by_that_also_where_the_questions_end_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.phone_leg._BACK_WITHIN", 1.0)
    case = Case()
    case.hold = Hold.UNKNOWN
    await case.dial()
    case.status("active")
    # Half a second more, and what nobody could explain is a silent carrier.
    judged = asyncio.ensure_future(case.leg.why_silent(24.5))
    await until(lambda: case.questions > 2)
    case.leave(rtc.DisconnectReason.CONNECTION_TIMEOUT)
    assert (await asyncio.wait_for(case.end.wait(), 5)).reason is EndedReason.BRIDGE_LOST
    assert not judged.done()
    judged.cancel()
    await case.leg.aclose()
