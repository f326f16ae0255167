"""A worker that is asked to take a conversation over asks the dialer first, and may be too late."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from agent import job
from agent.dialer_client import DialerClient
from agent.front_office import FrontOffice
from telephony.worker_contract import TakeOver
from tests.kit.job_world import RESCUE
from tests.kit.ringing import request

RESCUED = request().model_copy(update={"rescue": RESCUE})


class Dialer:
    """A dialer that gives a conversation away, or not, or only when it is asked again."""

    def __init__(self, *answers: bool | None) -> None:
        self.answers = [*answers]
        self.asked: list[str] = []

    async def take_over(self, attempt_id: str, token: str) -> bool:
        """Note the question."""
        self.asked.append(token)
        await asyncio.sleep(0)
        return bool(self.answers.pop(0))


def office(dialer: Dialer) -> FrontOffice:
    """Give what jobs ask."""
    return FrontOffice(cast("Any", dialer), cast("Any", None))


@pytest.mark.asyncio
async def test_two_dispatches_of_one_rescue_in_one_worker_are_one_agent() -> None:
    dialer = Dialer(True, True)
    asked = office(dialer)
    both = await asyncio.gather(asked.take_over(RESCUED), asked.take_over(RESCUED))
    assert sorted(both) == [False, True]
    assert dialer.asked == ["token"]


@pytest.mark.asyncio
async def test_a_worker_that_was_refused_may_be_asked_again() -> None:
    asked = office(Dialer(False, True))
    assert not await asked.take_over(RESCUED)
    assert await asked.take_over(RESCUED)


@pytest.mark.asyncio
@pytest.mark.parametrize("taken", [True, False])
async def test_only_who_was_given_it_begins(taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    stopped: list[str] = []

    class Call:
        def __init__(self, *parts: object) -> None:
            begun.append(parts)

        async def run(self) -> None:
            """Hold no call."""

    monkeypatch.setattr(job, "Call", Call)
    context = SimpleNamespace(
        job=SimpleNamespace(metadata=RESCUED.to_metadata(), id="j"), shutdown=stopped.append
    )
    desk = SimpleNamespace(office=office(Dialer(taken)))
    await job.answer_job(cast("Any", context), cast("Any", desk))
    assert (len(begun), len(stopped)) == ((1, 0) if taken else (0, 1))


@pytest.mark.asyncio
async def test_an_answer_that_was_lost_is_asked_for_again() -> None:
    asked: list[TakeOver] = []

    async def answer(incoming: web.Request) -> web.Response:
        asked.append(TakeOver.model_validate_json(await incoming.read()))
        if len(asked) == 1:
            return web.Response(status=503)
        return web.json_response({"current": True})

    app = web.Application()
    app.router.add_post("/internal/attempts/att_1/takeover", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    client = DialerClient([f"http://{host}:{port}"], "w2", "t")
    try:
        assert await client.take_over("att_1", "token")
        assert [one.worker_id for one in asked] == ["w2", "w2"]
        assert not await client.take_over("att_2", "token"), "the dialer knows no such attempt"
    finally:
        await client.aclose()
        await runner.cleanup()


@pytest.mark.asyncio
async def test_who_hears_no_answer_leaves_it_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.dialer_client._TAKEOVER_PATIENCE", 0.0)
    client = DialerClient(["http://127.0.0.1:1"], "w2", "t")
    try:
        assert not await client.take_over("att_1", "token")
    finally:
        await client.aclose()
