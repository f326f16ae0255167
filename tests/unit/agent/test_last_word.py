"""What a call's record says of its end: a hang-up, or the bridge's own end for want of media."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent import phone_silence
from agent.ending import Ending
from agent.last_word import LastWord
from telephony.bridge_hold import Hold
from telephony.call import EndedReason
from tests.kit.ringing import Case, request

HUNG_UP = Ending(EndedReason.CALLEE_HANGUP)


def true_reason(ending: Ending, leg: object, *, nearly_lost: bool = True) -> EndedReason:
    """Give the reason that is recorded; with ``nearly_lost`` packets have not come for a while."""
    word = LastWord(
        request(),
        office=cast("Any", None),
        reporter=cast("Any", SimpleNamespace(report=None)),
        leg=cast("Any", leg),
        media=cast("Any", SimpleNamespace(nearly_lost=nearly_lost)),
        recorder=cast("Any", None),
        part=1,
    )
    return word.true_reason(ending).reason


def other_side(
    *,
    phone: bool = True,
    answered: bool = True,
    hangs_up_as: EndedReason = EndedReason.CALLEE_HANGUP,
) -> object:
    """Make somebody to talk to."""
    event = asyncio.Event()
    if answered:
        event.set()
    return SimpleNamespace(phone=phone, answered=event, hangs_up_as=hangs_up_as)


@pytest.mark.parametrize("reason", [EndedReason.CALLEE_HANGUP, EndedReason.CALLER_HANGUP])
async def test_a_phone_that_left_without_media_is_no_hang_up(reason: EndedReason) -> None:
    leg = other_side(hangs_up_as=reason)
    assert true_reason(Ending(reason), leg) is EndedReason.MEDIA_TIMEOUT


async def test_who_left_while_media_came_or_sends_none_by_right_hung_up() -> None:
    assert true_reason(HUNG_UP, other_side(), nearly_lost=False) is HUNG_UP.reason
    assert true_reason(HUNG_UP, other_side(phone=False)) is HUNG_UP.reason
    assert true_reason(HUNG_UP, other_side(answered=False)) is HUNG_UP.reason


@pytest.mark.parametrize(
    "reason", [EndedReason.API_HANGUP, EndedReason.BRIDGE_LOST, EndedReason.CALLER_HANGUP]
)
async def test_other_ends_stay_what_they_are(reason: EndedReason) -> None:
    assert true_reason(Ending(reason), other_side()) is reason


@pytest.fixture
async def let_go(monkeypatch: pytest.MonkeyPatch) -> Case:
    """Give a phone whose bridge let go of it, which nobody saw."""
    for name in ("_ASK_AGAIN", "_SURE_AFTER"):
        monkeypatch.setattr(phone_silence, name, 0.0)
    case = Case()
    await case.dial()
    case.status("active")
    case.hold = Hold.LET_GO
    return case


@pytest.mark.fault("F26")
async def test_a_silence_that_the_bridge_explains_as_a_hang_up_is_one(let_go: Case) -> None:
    ending = await let_go.leg.why_silent(12.0)
    assert ending is not None
    assert true_reason(ending, let_go.leg) is EndedReason.CALLEE_HANGUP
    await let_go.leg.aclose()


@pytest.mark.fault("F26")
async def test_a_hang_up_that_was_missed_is_one_however_late_it_is_noticed(let_go: Case) -> None:
    ending = await let_go.leg.until_let_go(lambda: 11.0)
    assert true_reason(ending, let_go.leg) is EndedReason.CALLEE_HANGUP
    await let_go.leg.aclose()


@pytest.mark.fault("F24")
async def test_a_bridge_that_is_there_without_media_is_a_media_timeout(let_go: Case) -> None:
    let_go.hold = Hold.THERE
    ending = await let_go.leg.why_silent(12.0)
    assert ending is not None
    assert true_reason(ending, let_go.leg) is EndedReason.MEDIA_TIMEOUT
    await let_go.leg.aclose()
