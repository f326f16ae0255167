"""Read the simulated carrier's own record: the second ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import httpx


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """One call as the carrier saw it."""

    raw: dict[str, Any]

    @property
    def call_id(self) -> str:
        """The SIP Call-ID."""
        return self.raw["call_id"]

    @property
    def invites(self) -> int:
        """How many INVITE transactions came under this Call-ID, the answer to a challenge aside."""
        return self.raw["invites"]

    @property
    def state(self) -> str:
        """Where the carrier's side of it is."""
        return self.raw["state"]

    @property
    def complete(self) -> bool:
        """Whether the call is over and its recordings and figures are final."""
        return self.raw["complete"]

    @property
    def rtp(self) -> dict[str, Any]:
        """What was heard, in packets."""
        return self.raw.get("rtp") or {}

    @property
    def said(self) -> list[str]:
        """What the simulated callee spoke, line by line."""
        lines = cast("list[dict[str, Any]]", self.raw.get("said") or [])
        return [line["text"] for line in lines]

    def received(self, method: str) -> list[dict[str, Any]]:
        """Give the requests of a method that came from the bridge."""
        messages = cast("list[dict[str, Any]]", self.raw["messages"])
        requests = [m for m in messages if m["direction"] == "rx" and not m.get("status")]
        return [m for m in requests if m.get("method") == method]

    def asked(self, method: str) -> list[dict[str, Any]]:
        """Give the requests of a method that went to the bridge, each once."""
        messages = cast("list[dict[str, Any]]", self.raw["messages"])
        requests = [m for m in messages if m["direction"] == "tx" and not m.get("status")]
        return [m for m in requests if m.get("method") == method and not m["retransmission"]]

    def sent(self, status: int) -> list[dict[str, Any]]:
        """Give the responses with a status that went to the bridge."""
        messages = cast("list[dict[str, Any]]", self.raw["messages"])
        return [m for m in messages if m["direction"] == "tx" and m.get("status") == status]

    def at(self, key: str) -> datetime | None:
        """Give a time of the record, as ``answered_at``."""
        value = self.raw.get(key)
        return datetime.fromisoformat(value) if value else None


class CarrierLedger:
    """The carrier's control API."""

    def __init__(self, control_url: str) -> None:
        self._http = httpx.Client(base_url=control_url, timeout=10)

    def calls(self, number: str, *, since: datetime | None = None) -> list[CarrierCall]:
        """Give every call to a number, oldest first."""
        params = {"number": number}
        if since is not None:
            params["since"] = since.isoformat()
        answer = self._http.get("/calls", params=params)
        answer.raise_for_status()
        records = cast("list[dict[str, Any]]", answer.json()["calls"] or [])
        return [CarrierCall(raw) for raw in records]

    def only_call(self, number: str, *, since: datetime) -> CarrierCall:
        """Give the one call to a number; two of them are a double dial and an error."""
        found = self.calls(number, since=since)
        assert len(found) == 1, f"Call-IDs for one attempt: {[c.call_id for c in found]}"
        return found[0]

    def hang_up(self, record_id: str) -> None:
        """Let the callee hang up."""
        self._http.post(f"/calls/{record_id}/hangup").raise_for_status()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
