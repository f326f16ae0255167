"""Problem documents, and that nothing was written besides."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from dialer.adapters.tables import calls
from tests.kit.api import Api

GOOD = "+14155550100"


def good(**fields: Any) -> dict[str, Any]:
    """Give a body that is taken, with these fields besides."""
    return {"phone_number": GOOD, **fields}


def check(answer: Any, status: int, code: str) -> None:
    """Check that the answer is this problem and a whole document of it."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] and problem["title"]
    assert problem["detail"].endswith(".")
    assert "Traceback" not in answer.text


async def nothing_was_written(api: Api) -> None:
    """Check that no call is in the database."""
    async with api.services.database.reading() as connection:
        counted = await connection.execute(select(func.count()).select_from(calls))
        assert counted.scalar_one() == 0
