"""Alive, ready, and how much is going on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telephony.events import EventType
from tests.kit.api import Api
from tests.kit.api import api as open_api

pytestmark = pytest.mark.asyncio

METRIC = re.compile(r"^(telephony_\w+)(?:\{([^}]*)\})? ", re.MULTILINE)


async def test_alive_needs_no_dependency(api: Api) -> None:
    await api.services.database.close()
    api.rooms.down = True
    async with api.client() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_ready_when_everything_a_call_needs_is_there(api: Api) -> None:
    await api.worker()
    async with api.client() as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}})


async def test_not_ready_names_what_is_missing(database_url: str) -> None:
    async with open_api(database_url, sip_trunk_address="") as api, api.client() as client:
        api.rooms.down = True
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        missing = answer.json()["missing"]
        assert set(missing) == {"livekit", "trunk", "worker"}
        for said in ("SIP_TRUNK_ADDRESS", "like example.pstn.twilio.com", "SIP_CALLER_IDS"):
            assert said in missing["trunk"]
        await api.worker(draining=True)
        assert "worker" in (await client.get("/readyz")).json()["missing"]


async def test_a_missing_database_is_a_503_everywhere(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db"
    from dialer import migrations

    migrations.upgrade(url)
    async with open_api(url) as api, api.client() as client:
        await api.services.database.close()
        (tmp_path / "db").rename(tmp_path / "gone")
        (tmp_path / "db").mkdir()
        answer = await client.get("/calls")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert "database" in (await client.get("/readyz")).json()["missing"]


async def test_metrics_need_a_key_or_their_own_token(database_url: str) -> None:
    async with open_api(database_url) as api, api.client() as client:
        assert (await client.get("/metrics")).status_code == 200
        del client.headers["Authorization"]
        assert (await client.get("/metrics")).status_code == 401
    async with open_api(database_url, metrics_token="m" * 20) as api, api.client() as client:
        assert (await client.get("/metrics")).status_code == 401
        own = {"Authorization": "Bearer " + "m" * 20}
        assert (await client.get("/metrics", headers=own)).status_code == 200


async def test_every_way_a_call_can_end_is_counted_from_the_start(api: Api) -> None:
    async with api.client() as client:
        text = (await client.get("/metrics")).text
    for outcome, reason in (
        ("failed", "trunk_auth"),
        ("completed", "media_timeout"),
        ("failed", "media_timeout"),
        ("canceled", "api_hangup"),
    ):
        series = f'telephony_calls_ended_total{{ended_reason="{reason}",outcome="{outcome}"}}'
        assert f"{series} 0.0" in text


async def test_metrics_hold_no_ids_and_no_numbers(api: Api) -> None:
    await api.worker("worker-7")
    async with api.client() as client:
        call = (await client.post("/calls", json={"phone_number": "+14155550100"})).json()
        await client.get(f"/calls/{call['id']}")
        await client.get("/nothing/+14155550100")
        await api.saw(
            call["id"], EventType.CALL_ENDED, ended_reason="no_agent", ended_by="platform"
        )
        text = (await client.get("/metrics")).text
    for private in (call["id"], "4155550100", "worker-7", "default"):
        assert private not in text
    assert 'telephony_calls_ended_total{ended_reason="no_agent",outcome="failed"} 1.0' in text
    assert 'telephony_calls{status="queued"} 0.0' in text
    assert "telephony_worker_capacity_calls 5.0" in text
    assert 'route="/calls/{call_id}"' in text
    assert METRIC.search(text)
