"""Bring a call as far as the answer, or as the first sound at the phone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.until import until_sync


def on_the_phone(gateway: Gateway, number: str, **fields: Any) -> tuple[dict[str, Any], datetime]:
    """Place a call and wait for its answer; gives it and when it was placed."""
    since = datetime.now(UTC)
    placed = gateway.place(number, **{"max_duration_seconds": 300, **fields})
    call = _answered_or_over(gateway, placed["id"])
    assert call["status"] == "in_progress", gateway.events(call["id"])
    return call, since


def until_heard(ledger: CarrierLedger, number: str, since: datetime) -> CarrierCall:
    """Wait until the phone of the one call to a number hears somebody; gives its record."""

    def heard() -> CarrierCall | None:
        seen = ledger.only_call(number, since=since)
        return seen if seen.rtp.get("first_audible_at") else None

    return until_sync(heard, 30, what="somebody is heard at the phone")


def _answered_or_over(gateway: Gateway, call_id: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        call = gateway.call(call_id)
        return call if call["status"] in {"in_progress", "ended"} else None

    return until_sync(there, 60, what="answered")
