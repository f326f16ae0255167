"""F20: the carrier says that calls come too fast, and each of them is placed all the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway

#: Takes one call in two seconds, and answers the others with 503 and words about the pace.
PACED = "+14155550152"
#: Refuses every call with these words.
NEVER = "+14155550141"


@pytest.mark.fault("F20")
def test_calls_above_the_carriers_pace_wait_and_are_all_answered_once(
    gateway: Gateway, ledger: CarrierLedger
) -> None:
    since = datetime.now(UTC)
    before = _slowdowns(gateway)
    placed = [gateway.place(PACED)["id"] for _ in range(4)]
    for call_id in placed:
        ended = gateway.until_ended(call_id, timeout=90)
        assert (ended["outcome"], ended["attempts"]) == ("completed", 1), gateway.events(call_id)

    records = ledger.calls(PACED, since=since)
    assert sum(record.at("answered_at") is not None for record in records) == len(placed)
    refused = [record for record in records if record.sent(503)]
    assert refused, "the carrier never said that calls come too fast"
    told = [event for call_id in placed for event in gateway.events(call_id)]
    requeued = [event for event in told if event["type"] == "call.requeued"]
    assert len(requeued) == len(refused)
    waits = [e for e in told if e["type"] == "call.waiting"]
    assert any(event["data"]["waiting_for"] == "pacing" for event in waits)
    assert _slowdowns(gateway) - before == len(refused)


@pytest.mark.slow
@pytest.mark.fault("F20")
def test_a_call_that_is_always_too_fast_ends_with_the_carriers_words(gateway: Gateway) -> None:
    ended = gateway.until_ended(gateway.place(NEVER)["id"], timeout=150)
    assert (ended["outcome"], ended["ended_reason"]) == ("failed", "carrier_unavailable")
    assert ended["sip"] == {"status_code": 503, "status": "CPS limit exceeded"}


def _slowdowns(gateway: Gateway) -> float:
    answer = gateway.http.get("/metrics")
    answer.raise_for_status()
    name = "telephony_trunk_slowdowns_total "
    return sum(float(line.split()[1]) for line in answer.text.splitlines() if line.startswith(name))
