"""Placing calls as the API's user does."""

from __future__ import annotations

from typing import Any

import httpx
from sqlalchemy import func, select

from tests.kit.api import Api

SIP: dict[str, Any] = {"call_type": "sip", "phone_number": "+14155550100"}

VOIP: dict[str, Any] = {"call_type": "voip"}


async def placed(
    client: httpx.AsyncClient, body: dict[str, Any] | None = None, *, key: str | None = None
) -> Any:
    """Place a call that is taken, and give it."""
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await client.post("/calls", json=body or SIP, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def count(api: Api, table: Any) -> int:
    """Count a table's rows."""
    async with api.services.database.reading() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()
