"""More calls than the workers can carry at once: all of them ring, none is dropped."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway


def test_a_burst_of_twenty_calls_rings_twenty_phones(
    gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    ids = [gateway.place("+14155550112")["id"] for _ in range(20)]

    ended = [gateway.until_ended(call_id, timeout=240) for call_id in ids]

    assert {(c["outcome"], c["ended_reason"]) for c in ended} == {("completed", "callee_hangup")}
    seen = ledger.calls("+14155550112", since=since)
    assert len(seen) == 20
    assert len({c.call_id for c in seen}) == 20
    assert all(c.invites == 1 for c in seen)
