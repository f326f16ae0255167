"""A worker speaks to whichever of the API's processes answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent.dialer_client import DialerClient, PermitAnswer, Unreachable
from telephony.worker_contract import (
    PRESENCE_SILENT,
    InboundOffer,
    InboundRefused,
    WorkerPresence,
)
from tests.kit.fake_dialer import FakeDialer

HERE = WorkerPresence(
    capacity=1, live_calls=0, version="1", draining=False, agent_name="telephony", registered=True
)


@pytest.fixture
async def two() -> AsyncGenerator[tuple[FakeDialer, FakeDialer]]:
    """Give two processes of one dialer."""
    pair = FakeDialer(), FakeDialer()
    for dialer in pair:
        await dialer.start()
    yield pair
    for dialer in pair:
        await dialer.stop()


@pytest.mark.asyncio
async def test_presence_goes_to_the_other_process_while_one_is_gone(
    two: tuple[FakeDialer, FakeDialer],
) -> None:
    client = DialerClient([dialer.url for dialer in two], "w1", "t")
    try:
        await client.presence(HERE)
        assert two[0].presence_count == 1 and two[1].presence_count == 0
        await two[0].stop()
        with pytest.raises(Unreachable):
            await client.presence(HERE)
        await client.presence(HERE)
        assert two[1].presence["w1"] == HERE
    finally:
        await client.aclose()


@pytest.mark.asyncio
async def test_a_process_that_stands_still_is_left_before_the_worker_is_taken_for_lost(
    two: tuple[FakeDialer, FakeDialer],
) -> None:
    client = DialerClient([dialer.url for dialer in two], "w1", "t")
    try:
        await client.presence(HERE)
        two[0].stands_still = True
        async with asyncio.timeout(PRESENCE_SILENT.total_seconds()):
            with pytest.raises(Unreachable):
                await client.presence(HERE)
            await client.presence(HERE)
        assert two[1].presence["w1"] == HERE
    finally:
        await client.aclose()


@pytest.mark.asyncio
async def test_requests_that_fail_together_find_the_process_that_answers(
    two: tuple[FakeDialer, FakeDialer],
) -> None:
    await two[0].stop()
    client = DialerClient([dialer.url for dialer in two], "w1", "t")
    try:
        names = [f"att_{n}" for n in range(4)]
        answers = await asyncio.gather(*(client.permit(name, "token") for name in names))
        assert set(answers) == {PermitAnswer.GRANTED}
        assert sorted(two[1].permits) == names
    finally:
        await client.aclose()


OFFER = InboundOffer(
    asked_by="a", bridge_call_id="SCL_1", room="tel-in_1", leg_identity="sip_1", called="+1"
)


@pytest.mark.asyncio
async def test_an_offer_is_made_again_until_a_process_of_the_dialer_answers(
    two: tuple[FakeDialer, FakeDialer],
) -> None:
    two[0].failing = 503
    client = DialerClient([dialer.url for dialer in two], "w1", "t")
    try:
        answer = await client.offer(OFFER)
        assert answer is not None and answer.refused is InboundRefused.UNKNOWN_NUMBER
        assert (two[0].offers, two[1].offers) == ([], [OFFER])
        assert two[1].tokens == ["Bearer t"]
    finally:
        await client.aclose()


@pytest.mark.asyncio
async def test_an_offer_that_nobody_takes_is_given_up_while_the_caller_rings(
    two: tuple[FakeDialer, FakeDialer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.dialer_client._OFFER_PATIENCE", 0.3)
    client = DialerClient([two[0].url], "w1", "t")
    try:
        for status in (503, 422):
            two[0].failing = status
            assert await client.offer(OFFER) is None
    finally:
        await client.aclose()
