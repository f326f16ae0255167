"""Use the product as a backend does: over its public API."""

from __future__ import annotations

from typing import Any

import httpx

from tests.kit.until import until_sync


class Gateway:
    """The public API with a key."""

    def __init__(self, api_url: str, api_key: str) -> None:
        self.http = httpx.Client(
            base_url=api_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=20
        )

    def place(self, number: str, **fields: Any) -> dict[str, Any]:
        """Place a sip call and give it as accepted."""
        answer = self.http.post(
            "/calls", json={"call_type": "sip", "phone_number": number, **fields}
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    def call(self, call_id: str) -> dict[str, Any]:
        """Give a call as it is now."""
        answer = self.http.get(f"/calls/{call_id}")
        answer.raise_for_status()
        return answer.json()

    def events(self, call_id: str) -> list[dict[str, Any]]:
        """Give all events of a call, in order."""
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            answer = self.http.get(
                f"/calls/{call_id}/events", params={"after": after, "limit": 100}
            )
            answer.raise_for_status()
            page = answer.json()
            found += page["events"]
            after = page["next_after"]
        return found

    def turns(self, call_id: str) -> list[dict[str, Any]]:
        """Give the transcript."""
        answer = self.http.get(f"/calls/{call_id}/transcript")
        answer.raise_for_status()
        return answer.json()["turns"]

    def hang_up(self, call_id: str) -> httpx.Response:
        """Ask for the call's end."""
        return self.http.post(f"/calls/{call_id}/hangup")

    def until_status(self, call_id: str, *statuses: str, timeout: float = 60) -> dict[str, Any]:
        """Wait until a call has one of the statuses; its end always ends the waiting."""

        def reached() -> dict[str, Any] | None:
            call = self.call(call_id)
            gone = call["status"] == "ended" and "ended" not in statuses
            assert not gone, f"ended and never {statuses}: {call}\n{self.events(call_id)}"
            return call if call["status"] in statuses else None

        return until_sync(reached, timeout, what=f"{call_id} is {' or '.join(statuses)}")

    def until_ended(self, call_id: str, timeout: float = 90) -> dict[str, Any]:
        """Wait for the end of a call and give its record."""
        return self.until_status(call_id, "ended", timeout=timeout)

    def close(self) -> None:
        """Close the connection."""
        self.http.close()
