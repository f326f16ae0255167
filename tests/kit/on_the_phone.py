"""Bring a call as far as the answer, past what the bridge itself may lose on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.kit.gateway import Gateway
from tests.kit.until import until_sync

#: How often livekit-sip 1.8.0 may lose a carrier's answer; see tests/sip/test_outcomes.py.
_TRIES = 3


def on_the_phone(gateway: Gateway, number: str, **fields: Any) -> tuple[dict[str, Any], datetime]:
    """Place a call and wait for its answer; gives it and when it was placed."""
    for _ in range(_TRIES):
        since = datetime.now(UTC)
        placed = gateway.place(number, **{"max_duration_seconds": 300, **fields})
        call = _answered_or_over(gateway, placed["id"])
        if call["status"] == "in_progress":
            return call, since
        events = gateway.events(call["id"])
        said = [event["data"].get("message") for event in events]
        assert "the bridge lost the answer" in said, events
    raise AssertionError(f"the bridge lost {_TRIES} answers in a row")


def _answered_or_over(gateway: Gateway, call_id: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        call = gateway.call(call_id)
        return call if call["status"] in {"in_progress", "ended"} else None

    return until_sync(there, 60, what="answered")
