"""Rows that travel as one JSON text are stored as they would be one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import insert, select

from dialer.adapters.many_rows import insert_rows
from dialer.adapters.tables import attempts, calls
from tests.kit.api import Api

pytestmark = pytest.mark.asyncio

ODD: dict[str, Any] = {
    "": "an empty name",
    "whole": [0, -1, 2**31, 2**63, 10**300],
    "real": [0.1, -0.5, 1e308, 5e-324, 1e16],
    "texts": [
        "",
        " ",
        "'",
        '"',
        "\\",
        "\\u0041",
        "\n\t\x01\x1f\x7f",
        "ü",
        "漢字",
        "👍🏽",
        "\u2028",
        ":rows",
        "%s",
    ],
    "nothing": [None, True, False, {}, [], [[]], {"deep": {"er": [{"est": None}]}}],
    'a "quoted" $.name': {"->": "->>"},
    "nul": "a\u0000b",
}
AT = datetime(2026, 3, 1, 23, 59, 59, 7, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))


def call(number: int, queued_at: datetime) -> dict[str, Any]:
    return {
        "tenant_id": "default",
        "id": f"call_{number:032x}",
        "call_type": "sip",
        "direction": "outbound",
        "status": "queued",
        "phone_number": None,
        "caller_id": "+14155550198",
        "agent": 'it\'s "odd" \\ ü',
        "variables": {"name": "'); --"},
        "metadata": ODD,
        "ring_timeout_seconds": 30,
        "max_duration_seconds": 2**31 - 1,
        "queued_at": queued_at,
        "last_sequence": 0,
    }


def attempt(number: int, queued_at: datetime) -> dict[str, Any]:
    return {
        "tenant_id": "default",
        "id": f"att_{number}",
        "call_id": f"call_{number:032x}",
        "number": 1,
        "state": "waiting",
        "fence": 0,
        "dispatches": 0,
        "created_at": queued_at,
    }


async def test_many_rows_are_what_each_would_be_alone(api: Api) -> None:
    times = [AT, datetime(2020, 1, 1, tzinfo=UTC)]
    together = [call(n, at) for n, at in enumerate(times)]
    alone = [call(n, at) for n, at in enumerate(times, 10)]
    async with api.services.database.transaction() as tx:
        for one in alone:
            await tx.execute(insert(calls).values(**one))
        firsts = [attempt(n, at) for n, at in enumerate(times)]
        await tx.run_sync(insert_rows, (calls, together), (attempts, firsts), (attempts, []))
    async with api.services.database.reading() as connection:
        query = select(calls).order_by(calls.c.id)
        rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        created = select(attempts.c.created_at).order_by(attempts.c.id)
        assert list((await connection.execute(created)).scalars()) == times
        # As a filter sees them, too.
        before = select(calls.c.id).where(calls.c.queued_at <= AT).order_by(calls.c.id)
        assert len(list(await connection.execute(before))) == 4
        later = select(calls.c.id).where(calls.c.queued_at >= AT).order_by(calls.c.id)
        assert [row.id[-2:] for row in await connection.execute(later)] == ["00", "0a"]
    assert rows[0]["metadata"] == ODD
    for one, other in zip(rows[:2], rows[2:], strict=True):
        assert one | {"id": ""} == other | {"id": ""}
