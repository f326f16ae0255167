"""Callers whom their agent cannot speak with, and who are taken by the dialer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from dialer.adapters.tables import calls
from dialer.calls.claims import Claim
from dialer.inbound.admit import CLOSED_MESSAGE
from dialer.inbound.numbers import Owned
from dialer.livekits.choice import LiveKits
from dialer.livekits.livekit import Realm
from telephony.dial_request import DialRequest
from telephony.events import EventType, OverflowWhy
from telephony.worker_contract import InboundRefused, LiveKitName
from tests.kit.api import Api, changed
from tests.kit.incoming import Offering, own
from tests.kit.placing import count

HUMAN = "+14155550101"
NEVER: dict[str, Any] = {"time_zone": "UTC", "weekly": {}}


class Taker:
    """Takes every caller for whom there is something."""

    def __init__(self, *, apology: bool = True, takes: bool = True) -> None:
        self.apology = apology
        self.takes = takes
        self.dialled = False
        self.taken: list[tuple[Claim, OverflowWhy]] = []

    def can_take(self, owned: Owned | None) -> bool:
        """Say whether there is something."""
        return self.apology or (owned is not None and owned.inbound.overflow_number is not None)

    async def take(self, of: Claim, why: OverflowWhy, *, dial: bool = True) -> bool:
        """Take a caller."""
        self.dialled = dial
        self.taken.append((of, why))
        return self.takes


def taking(api: Api, **how: Any) -> tuple[Api, Taker]:
    """Give the application with somebody who takes callers."""
    taker = Taker(**how)
    return changed(api, overflow=cast("Any", taker)), taker


async def handed_over(api: Api, request: DialRequest, **told: Any) -> bool:
    """Let an agent hand its caller over."""
    http = api.client(request.attempt_token)
    answer = await http.post(f"/internal/attempts/{request.attempt_id}/handover", json=told)
    assert answer.status_code == 200, answer.text
    return answer.json()["taken"]


async def test_a_caller_whose_agent_cannot_be_briefed_is_sent_on(api: Api) -> None:
    api, taker = taking(api)
    await own(api, agent="nobody", overflow_number=HUMAN)
    assert await Offering(api).refused() is InboundRefused.TAKEN
    ((claim, why),) = taker.taken
    assert why is OverflowWhy.AGENT_ERROR and claim.fence == 1
    assert await count(api, calls) == 1
    async with api.client() as client:
        assert (await client.get(f"/calls/{claim.call_id}")).json()["status"] == "ringing"


async def test_where_there_is_nothing_else_such_a_caller_is_refused(api: Api) -> None:
    api, taker = taking(api, apology=False)
    await own(api, agent="nobody")
    assert await Offering(api).refused() is InboundRefused.NO_AGENT
    assert taker.taken == [] and await count(api, calls) == 0


async def test_a_caller_whom_no_trunk_takes_on_does_not_ring_for_nothing(api: Api) -> None:
    api, taker = taking(api, takes=False)
    await own(api, agent="nobody", overflow_number=HUMAN)
    offering = Offering(api)
    assert await offering.refused() is InboundRefused.NO_AGENT
    ((claim, _),) = taker.taken
    async with api.client() as client:
        call = (await client.get(f"/calls/{claim.call_id}")).json()
    assert (call["status"], call["ended_reason"]) == ("ended", "no_agent")
    assert await offering.refused() is InboundRefused.OVER, "asked again, it is the same call"


async def test_outside_hours_without_words_the_caller_is_sent_on(api: Api) -> None:
    api, taker = taking(api)
    await own(api, hours=NEVER, overflow_number=HUMAN)
    assert await Offering(api).refused() is InboundRefused.TAKEN
    assert [why for _, why in taker.taken] == [OverflowWhy.CLOSED]


async def test_outside_hours_with_words_an_agent_says_them(api: Api) -> None:
    api, taker = taking(api)
    await own(api, hours=NEVER, overflow_number=HUMAN, closed_message="We are away.")
    assert (await Offering(api).briefed()).announcement == "We are away."
    assert taker.taken == []


@pytest.mark.parametrize(
    ("number", "can_apologise", "taken"),
    [(HUMAN, True, True), (HUMAN, False, True), (None, False, True), (None, True, False)],
)
async def test_an_agent_that_cannot_speak_hands_its_caller_over(
    api: Api, number: str | None, can_apologise: bool, taken: bool
) -> None:
    api, taker = taking(api)
    await own(api, overflow_number=number)
    request = await Offering(api).briefed()
    assert await handed_over(api, request, can_apologise=can_apologise) is taken
    assert [why for _, why in taker.taken] == [OverflowWhy.AGENT_ERROR] * taken
    assert taker.dialled is (number is not None)


async def test_who_was_to_hear_that_it_is_closed_is_not_sent_on(api: Api) -> None:
    api, taker = taking(api)
    await own(api, hours=NEVER, overflow_number=HUMAN, closed_message="We are away.")
    assert await handed_over(api, await Offering(api).briefed())
    assert [why for _, why in taker.taken] == [OverflowWhy.CLOSED] and not taker.dialled


async def test_a_caller_who_was_answered_is_not_handed_over(api: Api) -> None:
    api, taker = taking(api)
    await own(api, overflow_number=HUMAN)
    request = await Offering(api).briefed()
    await api.saw(request.call_id, EventType.CALL_ANSWERED)
    assert not await handed_over(api, request)
    assert taker.taken == []


async def test_only_the_attempts_own_agent_hands_over(api: Api) -> None:
    api, taker = taking(api)
    await own(api, overflow_number=HUMAN)
    request = await Offering(api).briefed()
    path = f"/internal/attempts/{request.attempt_id}/handover"
    assert (await api.client().post(path, json={})).status_code == 401
    late = api.services.tokens.mint_attempt_token(request.attempt_id, "default", 7)
    answer = await api.client(late).post(path, json={})
    assert answer.json() == {"taken": False} and taker.taken == []


async def test_where_nobody_takes_callers_nobody_is_handed_over(api: Api) -> None:
    await own(api, overflow_number=HUMAN)
    assert not await handed_over(api, await Offering(api).briefed())


def with_fallback(api: Api) -> Api:
    """Give the application a second LiveKit."""
    own = api.services.livekits.own
    other = replace(own, name=LiveKitName.FALLBACK, realm=Realm("telfb", "telfb"))
    return changed(api, livekits=LiveKits(replace(own, realm=Realm("tel", "telfb")), other))


@pytest.mark.parametrize(("room", "dialled"), [("tel-in_x", True), ("telfb-in_x", False)])
async def test_a_caller_at_the_fallback_hears_that_it_is_closed_and_nobody_is_rung(
    api: Api, room: str, dialled: bool
) -> None:
    api, taker = taking(with_fallback(api))
    await own(api, hours=NEVER, overflow_number=HUMAN)
    if dialled:
        assert await Offering(api).refused(room=room) is InboundRefused.TAKEN
    else:
        assert (await Offering(api).briefed(room=room)).announcement == CLOSED_MESSAGE
    assert [claim.room for claim, _ in taker.taken] == [room] * dialled


async def test_a_caller_at_the_fallback_is_not_handed_over(api: Api) -> None:
    api, taker = taking(with_fallback(api))
    await own(api, overflow_number=HUMAN)
    request = await Offering(api).briefed(room="telfb-in_x")
    assert not await handed_over(api, request, can_apologise=False)
    await own(api, "+14155550191", agent="nobody", overflow_number=HUMAN)
    elsewhere = {"room": "telfb-in_y", "called": "+14155550191"}
    assert await Offering(api).refused("SCL_2", **elsewhere) is InboundRefused.NO_AGENT
    assert taker.taken == []
