"""A backend as it should be: every request has its key, and is sent again until it is answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from tests.faults.chaos.plan import Order

#: Units: seconds. How long a request is repeated before it counts as never answered.
_GIVES_UP_AFTER: Final = 90.0
_LONGEST_PAUSE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A call that was answered with 202."""

    call_id: str
    key: str
    order: Order
    body: dict[str, Any]
    tries: int


class Client:
    """Talks to the public API, through whichever of its processes answers."""

    def __init__(self, urls: list[str], api_key: str, tag: str) -> None:
        self._tag = tag
        self._urls = itertools.cycle(urls)
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {api_key}"}, timeout=10, trust_env=False
        )
        self.accepted: list[Accepted] = []
        self.refused: list[str] = []
        self.retries = 0

    async def place(self, order: Order) -> Accepted | None:
        """Place a call, and hang it up later where the order says so; None where it is refused."""
        key = f"{self._tag}-{len(self.accepted) + len(self.refused)}-{order.at}"
        body = order.body | {"metadata": {"chaos": self._tag, "behaviour": order.behaviour}}
        answer, tries = await self._sent("POST", "/calls", json=body, key=key)
        if answer is None or answer.status_code != 202:
            self.refused.append(f"{order.behaviour} at {order.at} s: {_told(answer)}")
            return None
        placed = Accepted(answer.json()["id"], key, order, body, tries)
        self.accepted.append(placed)
        if order.hang_up_after is not None:
            await asyncio.sleep(order.hang_up_after)
            await self.hang_up(placed.call_id)
        return placed

    async def hang_up(self, call_id: str) -> None:
        """Ask for the call's end."""
        await self._sent("POST", f"/calls/{call_id}/hangup")

    async def replayed(self, placed: Accepted) -> str | None:
        """Send the same request once more; give what is wrong with the answer."""
        answer, _ = await self._sent("POST", "/calls", json=placed.body, key=placed.key)
        if answer is None or answer.status_code != 202:
            return f"its request sent again was answered with {_told(answer)}"
        if answer.json()["id"] != placed.call_id:
            return f"its request sent again placed {answer.json()['id']}"
        if answer.headers.get("Idempotent-Replayed") != "true":
            return "its request sent again was not told to be a replay"
        return None

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Read something.

        Errors: AssertionError when it is never told.
        """
        answer, _ = await self._sent("GET", path, params=parameters)
        assert answer is not None and answer.status_code == 200, f"GET {path}: {_told(answer)}"
        return answer

    async def calls(self, since: datetime) -> list[dict[str, Any]]:
        """List every call of this round."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get("/calls", limit=100, created_from=since.isoformat(), **cursor)
            found += page.json()["calls"]
            if (following := page.json()["next_cursor"]) is None:
                return [call for call in found if call["metadata"].get("chaos") == self._tag]
            cursor = {"cursor": following}

    async def events(self, call_id: str) -> list[dict[str, Any]]:
        """Give all events of a call."""
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = (await self.get(f"/calls/{call_id}/events", after=after, limit=100)).json()
            found += page["events"]
            after = page["next_after"]
        return found

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _sent(
        self, method: str, path: str, *, key: str | None = None, **content: Any
    ) -> tuple[httpx.Response | None, int]:
        headers = {} if key is None else {"Idempotency-Key": key}
        deadline = time.monotonic() + _GIVES_UP_AFTER
        answer: httpx.Response | None = None
        tried = 0
        while True:
            tried += 1
            try:
                answer = await self._http.request(
                    method, f"{next(self._urls)}{path}", headers=headers, **content
                )
            except httpx.HTTPError:
                answer = None
            if answer is not None and not _worth_a_retry(answer):
                return answer, tried
            if time.monotonic() > deadline:
                break
            self.retries += 1
            await asyncio.sleep(min(_LONGEST_PAUSE, 0.1 * 2 ** min(tried, 10)))
        return answer, tried


def _worth_a_retry(answer: httpx.Response) -> bool:
    if answer.status_code == 409:
        return answer.json().get("code") == "idempotency_in_flight"
    return answer.status_code == 429 or answer.status_code >= 500


def _told(answer: httpx.Response | None) -> str:
    return "no answer" if answer is None else f"{answer.status_code} {answer.text[:300]}"
