"""Calls that are posted at the same moment share transactions, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import httpx
import pytest
from sqlalchemy import Table, delete, select
from structlog.testing import capture_logs

from dialer.adapters.tables import api_keys, attempts, calls, events, idempotency_keys, tenants
from tests.kit.api import Api, changed

pytestmark = pytest.mark.asyncio

TENANTS = ("default", "acme", "zeta")
UNKEYED, KEYED, TWICE = 30, 20, 8


Order = tuple[str, str | None, dict[str, Any]]


def orders(tenant: str) -> list[Order]:
    """List what a tenant sends: (tenant, Idempotency-Key, body); all use the same keys."""

    def body(order: str) -> dict[str, Any]:
        return {"phone_number": "+14155550100", "metadata": {"order": f"{tenant} {order}"}}

    unkeyed: list[Order] = [(tenant, None, body(f"plain {n}")) for n in range(UNKEYED)]
    keyed: list[Order] = [(tenant, f"key {n}", body(f"keyed {n}")) for n in range(KEYED)]
    twice: list[Order] = [(tenant, f"twice {n}", body(f"twice {n}")) for n in range(TWICE)] * 2
    return unkeyed + keyed + twice


async def rows(api: Api, table: Table) -> list[Any]:
    async with api.services.database.reading() as connection:
        return list((await connection.execute(select(table))).all())


async def test_of_two_hundred_at_once_every_one_is_there_exactly_once(api: Api) -> None:
    keys = {"default": api.key, "acme": await api.tenant("acme"), "zeta": await api.tenant("zeta")}
    wanted = [order for tenant in TENANTS for order in orders(tenant)]
    clash = {"phone_number": "+14155550101", "metadata": {"order": "acme clash"}}
    wanted += [("acme", "clash", clash), ("acme", "clash", clash | {"ring_timeout_seconds": 20})]
    assert len(wanted) == 200
    random.Random(5).shuffle(wanted)

    async with api.client(limits=httpx.Limits()) as client:

        async def post(tenant: str, key: str | None, body: dict[str, Any]) -> httpx.Response:
            headers = {"Authorization": f"Bearer {keys[tenant]}"}
            if key is not None:
                headers["Idempotency-Key"] = key
            return await client.post("/calls", json=body, headers=headers)

        answers = await asyncio.gather(*(post(*order) for order in wanted))
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {202: 199, 422: 1}
        replayed = [answer for answer in answers if "Idempotent-Replayed" in answer.headers]
        assert len(replayed) == TWICE * len(TENANTS)

        told: dict[str, set[str]] = {tenant: set() for tenant in TENANTS}
        for (tenant, _, body), answer in zip(wanted, answers, strict=True):
            if answer.status_code == 202:
                call = answer.json()
                assert call["metadata"] == body["metadata"]
                told[tenant].add(call["id"])
        for tenant in TENANTS:
            answer = await client.get(
                f"/calls/{min(told[tenant])}", headers={"Authorization": f"Bearer {keys[tenant]}"}
            )
            same = next(a.json() for a in answers if a.json().get("id") == min(told[tenant]))
            assert {name: answer.json()[name] for name in same} == same
    await _check_ledger(api, told)


async def _check_ledger(api: Api, told: dict[str, set[str]]) -> None:
    each = UNKEYED + KEYED + TWICE
    assert {t: len(ids) for t, ids in told.items()} == {t: each + (t == "acme") for t in TENANTS}
    everyone = sorted((tenant, call_id) for tenant, ids in told.items() for call_id in ids)
    stored = await rows(api, calls)
    assert sorted((row.tenant_id, row.id) for row in stored) == everyone
    assert len({row.metadata["order"] for row in stored}) == len(stored)
    assert {(row.status, row.last_sequence) for row in stored} == {("queued", 1)}
    first = await rows(api, attempts)
    assert sorted((row.tenant_id, row.call_id) for row in first) == everyone
    queued = await rows(api, events)
    assert sorted((row.tenant_id, row.call_id) for row in queued) == everyone
    assert {(row.type, row.sequence) for row in queued} == {("call.queued", 1)}
    assert {row.attempt_id for row in queued} == {row.id for row in first}
    kept = await rows(api, idempotency_keys)
    assert len(kept) == len(TENANTS) * (KEYED + TWICE) + 1
    orders_of = {(row.tenant_id, row.id): row.metadata["order"] for row in stored}
    for row in kept:
        name = row.key.replace("key ", "keyed ")
        assert orders_of[row.tenant_id, row.call_id] == f"{row.tenant_id} {name}"
        assert row.response_body["id"] == row.call_id


async def test_one_that_cannot_be_written_fails_alone(api: Api) -> None:
    """Its tenant is deleted between the look at its key and the writing."""
    moment = api.services.now()
    still = changed(api, now=lambda: moment)
    doomed = await api.tenant("doomed")
    async with still.client() as client, still.client(doomed) as other:
        assert (await other.get("/calls")).status_code == 200
        async with api.services.database.transaction() as tx:
            await tx.execute(delete(api_keys).where(api_keys.c.tenant_id == "doomed"))
            await tx.execute(delete(tenants).where(tenants.c.id == "doomed"))
        body = {"phone_number": "+14155550100"}
        # Not shown: painting the traceback takes longer than a transaction may.
        with capture_logs():
            answers = await asyncio.gather(
                *(client.post("/calls", json=body) for _ in range(10)),
                other.post("/calls", json=body),
                *(client.post("/calls", json=body) for _ in range(10)),
            )
    assert [answer.status_code for answer in answers] == [202] * 10 + [500] + [202] * 10
    stored = {row.id for row in await rows(api, calls)}
    assert stored == {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert {row.call_id for row in await rows(api, events)} == stored


async def test_who_goes_away_leaves_a_whole_call_or_none(api: Api) -> None:
    body = {"phone_number": "+14155550100"}
    async with api.client() as client:
        for patience in (0.0, 0.001, 0.002, 0.004, 0.008, 0.016):
            asked = [asyncio.create_task(client.post("/calls", json=body)) for _ in range(20)]
            await asyncio.sleep(patience)
            for task in asked[::2]:
                task.cancel()
            told = await asyncio.gather(*asked, return_exceptions=True)
            stayed = [answer for answer in told[1::2] if isinstance(answer, httpx.Response)]
            assert [answer.status_code for answer in stayed] == [202] * 10
    stored = sorted(row.id for row in await rows(api, calls))
    assert sorted(row.call_id for row in await rows(api, attempts)) == stored
    assert sorted(row.call_id for row in await rows(api, events)) == stored
    assert len(stored) >= 60
