"""The callee's side of every measurement: the carrier's ledger, by arrival of packets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx

#: Rings for two seconds, as phones do.
RINGS: Final = "+14155550150"
#: Answers at once.
AT_ONCE: Final = "+14155550151"


@dataclass(frozen=True, slots=True)
class Heard:
    """One call as the callee's exchange saw it.

    Units: moments are seconds since the epoch, None for what did not happen.
    """

    id: str
    state: str
    invited: float
    answered: float | None
    first_audio: float | None
    replies: tuple[tuple[float, float], ...]
    lost: int
    audible: int
    dropouts: int
    longest_gap: float

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Heard:
        """Read a record of the ledger."""
        rtp = raw["rtp"]
        replies: list[dict[str, str]] = rtp["replies"]
        return cls(
            id=raw["id"],
            state=raw["state"],
            invited=_needed(raw["started_at"]),
            answered=_moment(raw["answered_at"]),
            first_audio=_moment(rtp["first_audible_at"]),
            replies=tuple((_needed(r["spoke_until"]), _needed(r["heard_at"])) for r in replies),
            lost=rtp["packets_lost"],
            audible=rtp["packets_audible"],
            dropouts=rtp["dropouts"],
            longest_gap=rtp["longest_gap_ms"] / 1000,
        )


class Callees:
    """The carrier's control API."""

    def __init__(self, control_url: str) -> None:
        self._http = httpx.AsyncClient(base_url=control_url, timeout=10)

    async def calls(self, number: str, since: float) -> list[Heard]:
        """Give the calls to a number since a moment, oldest first."""
        after = datetime.fromtimestamp(since, UTC).isoformat()
        answer = await self._http.get("/calls", params={"number": number, "since": after})
        answer.raise_for_status()
        return [Heard.of(raw) for raw in answer.json()["calls"]]

    async def until(
        self,
        number: str,
        since: float,
        enough: Callable[[list[Heard]], bool],
        *,
        timeout: float,
        every: float = 0.1,
    ) -> list[Heard]:
        """Wait until the calls are as wanted; gives them as they are when the time is over."""
        deadline = time.monotonic() + timeout
        while True:
            found = await self.calls(number, since)
            if enough(found) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(every)

    async def hang_up(self, *records: Heard) -> None:
        """Let the callees hang up."""
        for record in records:
            await self._http.post(f"/calls/{record.id}/hangup")

    async def call_in(self, number: str, *, caller: str, behaviour: str) -> str:
        """Let somebody call one of the bridge's numbers; gives the record's id."""
        body = {"to": number, "from": caller, "behaviour": behaviour}
        answer = await self._http.post("/originate", json=body)
        answer.raise_for_status()
        return answer.json()["id"]

    async def record(self, id: str) -> dict[str, Any]:
        """Give a call's whole record."""
        answer = await self._http.get(f"/calls/{id}")
        answer.raise_for_status()
        return answer.json()

    async def end(self, id: str) -> None:
        """Let somebody hang up whose record has this id."""
        await self._http.post(f"/calls/{id}/hangup")

    async def hang_up_all(self) -> None:
        """Let everybody hang up, and forget all calls once they are over."""
        answer = await self._http.get("/calls")
        live = [raw for raw in answer.json()["calls"] if raw["state"] != "ended"]
        for raw in live:
            await self._http.post(f"/calls/{raw['id']}/hangup")

    async def forget(self) -> None:
        """Forget the calls that are over, so that the ledger stays quick to read."""
        await self._http.delete("/calls")

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()


def _moment(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _needed(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
