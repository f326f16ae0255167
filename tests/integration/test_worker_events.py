"""What workers report, through the route, on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from telephony.events import EventType
from telephony.worker_contract import Job
from tests.kit.api import Api
from tests.kit.until import until

AT = "2026-01-01T12:00:00+00:00"

NO_BATCHES: list[dict[str, Any]] = [
    {"events": []},
    {},
    {"events": [{}]},
    {"events": [{"sequence": 0}]},
]


def _event(sequence: int, type_: str = "call.warning", **data: Any) -> dict[str, Any]:
    if type_ == "call.warning" and not data:
        data = {"code": "test", "message": "A test."}
    return {"sequence": sequence, "type": type_, "occurred_at": AT, "data": data}


class Worker:
    """A worker with the token of one attempt."""

    def __init__(self, api: Api, attempt_id: str, fence: int) -> None:
        self.attempt_id = attempt_id
        token = api.services.tokens.mint_attempt_token(attempt_id, "default", fence)
        self.http = api.client(token)

    async def report(self, *events: dict[str, Any]) -> httpx.Response:
        """Report a batch."""
        path = f"/internal/attempts/{self.attempt_id}/events"
        return await self.http.post(path, json={"events": list(events)})

    async def permit(self, asked_by: str = "a") -> httpx.Response:
        """Ask for the permit."""
        path = f"/internal/attempts/{self.attempt_id}/permit"
        return await self.http.post(path, json={"asked_by": asked_by})


async def claimed(api: Api) -> tuple[str, Worker]:
    """Place a call and wait until it is claimed; give it and its worker."""
    async with api.client() as client:
        answer = await client.post(
            "/calls", json={"call_type": "sip", "phone_number": "+14155550100"}
        )
        assert answer.status_code == 202, answer.text
        call_id = answer.json()["id"]
    await api.saw(call_id, EventType.CALL_DISPATCHING)
    async with api.client() as client:
        events = (await client.get(f"/calls/{call_id}/events")).json()["events"]
    return call_id, Worker(api, events[0]["attempt_id"], fence=0)


async def _types(api: Api, call_id: str) -> list[str]:
    async with api.client() as client:
        events = (await client.get(f"/calls/{call_id}/events")).json()["events"]
    return [event["type"] for event in events]


async def test_a_batch_is_acknowledged_up_to_what_is_stored_without_a_gap(api: Api) -> None:
    _, worker = await claimed(api)
    assert (await worker.report(_event(1), _event(2))).json() == {"acknowledged": 2}
    assert (await worker.report(_event(4))).json() == {"acknowledged": 2}
    assert (await worker.report(_event(3))).json() == {"acknowledged": 4}


async def test_a_batch_that_comes_again_is_stored_once(api: Api) -> None:
    call_id, worker = await claimed(api)
    batch = [_event(n) for n in range(1, 6)]
    for _ in range(3):
        assert (await worker.report(*batch)).json() == {"acknowledged": 5}
    assert (await _types(api, call_id)).count("call.warning") == 5


async def test_a_batch_out_of_order_is_recorded_in_order(api: Api) -> None:
    call_id, worker = await claimed(api)
    assert (await worker.permit()).status_code == 200
    await worker.report(_event(2, "call.answered"), _event(1, "call.ringing"))
    assert (await _types(api, call_id))[-2:] == ["call.ringing", "call.answered"]


@pytest.mark.parametrize(
    "bad",
    [
        _event(2, "call.turn", speaker="nobody", text="x"),
        _event(2, "call.turn", speaker="agent"),
        _event(2, "call.agent_joined", worker_id="w" * 129),
        _event(2, "call.nonsense"),
        _event(2, "call.queued"),
        _event(2, "room.finished"),
        {"sequence": 2},
        {"sequence": 2, "type": "call.ringing", "occurred_at": "yesterday", "data": {}},
        {"sequence": 2, "type": "call.ringing", "occurred_at": AT, "data": [], "extra": 1},
    ],
)
async def test_a_bad_event_becomes_a_warning_and_blocks_nothing(
    api: Api, bad: dict[str, Any]
) -> None:
    call_id, worker = await claimed(api)
    answer = await worker.report(_event(1, "call.agent_ready"), bad, _event(3, "call.agent_ready"))
    assert answer.json() == {"acknowledged": 3}
    assert (await _types(api, call_id))[-3:] == [
        "call.agent_ready",
        "call.warning",
        "call.agent_ready",
    ]


async def test_a_bad_events_words_are_not_repeated(api: Api) -> None:
    call_id, worker = await claimed(api)
    await worker.report(_event(1, "call.turn", speaker="agent", text="x", secret="4155550100"))
    async with api.client() as client:
        told = (await client.get(f"/calls/{call_id}/events")).text
    assert "bad_event" in told and "4155550100" not in told


async def test_control_characters_cost_their_event_nothing_else(api: Api) -> None:
    call_id, worker = await claimed(api)
    assert (await worker.permit()).status_code == 200
    recording = {"path": "/r/a\x00.wav", "duration_seconds": 1.0, "sample_rate": 48000}
    told = [
        _event(1, "call.agent_joined", worker_id="w\x001"),
        _event(2, "call.turn", speaker="agent", text="Hel\x00lo"),
        _event(3, "call.recording_ready", **recording),
        _event(
            4,
            "call.ended",
            ended_reason="busy",
            ended_by="callee",
            sip_status_code=486,
            sip_status="Busy\x00 \x1b[31mHere",
        ),
    ]
    assert (await worker.report(*told)).json() == {"acknowledged": 4}
    async with api.client() as client:
        call = (await client.get(f"/calls/{call_id}")).json()
        events = (await client.get(f"/calls/{call_id}/events")).json()["events"]
    assert (call["outcome"], call["sip"]["status"]) == ("busy", "Busy [31mHere")
    assert [event["data"] for event in events if event["type"] == "call.turn"] == [
        {"speaker": "agent", "text": "Hello", "interrupted": False}
    ]
    assert "\\u0000" not in str(events)


@pytest.mark.parametrize("body", NO_BATCHES)
async def test_a_message_that_is_no_batch_is_refused(api: Api, body: dict[str, Any]) -> None:
    _, worker = await claimed(api)
    answer = await worker.http.post(f"/internal/attempts/{worker.attempt_id}/events", json=body)
    assert answer.status_code == 422


async def test_an_agent_of_an_earlier_dispatch_moves_nothing(api: Api) -> None:
    call_id, worker = await claimed(api)
    late = Worker(api, worker.attempt_id, fence=-1)
    before = await _types(api, call_id)
    ended = _event(1, "call.ended", ended_reason="agent_error", ended_by="platform")
    assert (await late.report(ended)).json() == {"acknowledged": 1}
    assert (await late.permit()).status_code == 409
    assert await _types(api, call_id) == before


async def test_a_token_opens_its_own_attempt_only(api: Api) -> None:
    _, mine = await claimed(api)
    _, theirs = await claimed(api)
    path = f"/internal/attempts/{theirs.attempt_id}"
    assert (await mine.http.post(f"{path}/permit")).status_code == 401
    assert (await mine.http.post(f"{path}/events", json={"events": [_event(1)]})).status_code == 401
    async with api.client("wrong") as stranger:
        assert (await stranger.post(f"{path}/permit")).status_code == 401


async def test_an_api_key_opens_no_internal_route(api: Api) -> None:
    _, worker = await claimed(api)
    async with api.client() as client:
        path = f"/internal/attempts/{worker.attempt_id}/permit"
        assert (await client.post(path)).status_code == 401
        assert (await client.put("/internal/workers/w1", json={})).status_code == 401


async def test_a_worker_of_an_earlier_version_gets_its_permit(api: Api) -> None:
    _, worker = await claimed(api)
    path = f"/internal/attempts/{worker.attempt_id}/permit"
    assert (await worker.http.post(path)).json() == {"granted": True}
    assert (await worker.http.post(path)).status_code == 409


async def test_the_second_asker_gets_409(api: Api) -> None:
    call_id, worker = await claimed(api)
    assert (await worker.permit()).json() == {"granted": True}
    second = await worker.permit("b")
    assert second.status_code == 409 and second.json()["code"] == "permit_refused"
    assert (await _types(api, call_id)).count("call.dialing") == 1


async def test_a_worker_says_that_it_is_there(api: Api) -> None:
    said = {"capacity": 5, "live_calls": 1, "version": "1", "agent_name": "telephony"}
    token = api.services.tokens.mint_worker_token("w1")
    async with api.client(token) as worker:
        assert (await worker.put("/internal/workers/w1", json=said)).status_code == 200
        assert (await worker.put("/internal/workers/w2", json=said)).status_code == 401
        bad = await worker.put("/internal/workers/w1", json={**said, "capacity": -1})
        assert bad.status_code == 422
    assert [worker.worker_id for worker in await api.presence.live()] == ["w1"]


async def test_a_worker_waits_for_a_job_with_its_own_token(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialer.workers.routes.JOB_WAIT", timedelta(seconds=0.05))
    async with api.client(api.services.tokens.mint_worker_token("w1")) as worker:
        assert (await worker.get("/internal/workers/w1/job?free=1")).status_code == 204
        assert (await worker.get("/internal/workers/w2/job?free=1")).status_code == 401
        # Of a LiveKit that this dialer does not have, no job comes.
        elsewhere = await worker.get("/internal/workers/w1/job?free=1&livekit=fallback")
        assert elsewhere.status_code == 204
        assert (await worker.get("/internal/workers/w1/job?free=1&livekit=x")).status_code == 422
        assert (await worker.get("/internal/workers/w1/job?free=0")).status_code == 422
        monkeypatch.setattr("dialer.workers.routes.JOB_WAIT", timedelta(seconds=30))
        asked = asyncio.create_task(worker.get("/internal/workers/w1/job?free=1"))
        await until(lambda: api.services.livekits.own.jobs.somebody_waits)
        assert api.services.livekits.own.jobs.give(Job(room="tel-att_1", metadata="{}"))
        assert (await asked).json() == {"room": "tel-att_1", "metadata": "{}"}
