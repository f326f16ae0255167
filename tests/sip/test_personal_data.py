"""No phone number and no spoken word where it does not belong."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.until import until_sync
from tests.kit.words import plain

#: Logs of our own; the bridge and the carrier have their own habits, which the docs tell.
OURS = ("api", "worker", "worker-2")


def test_our_logs_and_metrics_hold_no_number_and_no_word(
    gateway: Gateway, ledger: CarrierLedger, running: dict[str, Any]
) -> None:
    since = datetime.now(UTC)
    call = gateway.place("+14155550134")
    turn = until_sync(
        lambda: next((t for t in gateway.turns(call["id"]) if t["speaker"] == "callee"), None), 60
    )
    gateway.hang_up(call["id"])
    gateway.until_ended(call["id"])
    assert ledger.only_call("+14155550134", since=since)

    for name in OURS:
        text = (Path(running["logs_dir"]) / f"{name}.log").read_text(errors="replace")
        assert call["id"] in text or name != "api", f"{name}.log tells of the call"
        assert not re.search(r"4155550\d{3}", text), name
        assert plain(turn["text"]) not in plain(text), name

    metrics = httpx.get(
        f"{running['api_url']}/metrics", headers={"Authorization": f"Bearer {running['api_key']}"}
    )
    metrics.raise_for_status()
    assert "4155550" not in metrics.text
    assert call["id"] not in metrics.text


def test_rooms_and_identities_hold_no_number(gateway: Gateway) -> None:
    call = gateway.place("+14155550112")
    gateway.until_ended(call["id"])
    identities = [
        e["data"]["identity"]
        for e in gateway.events(call["id"])
        if e["type"].startswith("room.participant")
    ]
    assert identities
    assert not any(re.search(r"\d{7,}", identity.split("-")[0]) for identity in identities)
    assert "callee" in identities
