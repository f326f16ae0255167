"""A new version is rolled out under load: no call fails, none is doubled."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.faults.conftest import Stack
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.processes import processes, until_back
from tests.kit.until import until_sync

#: Talks until it is hung up.
NUMBER = "+14155550151"


class Client:
    """A backend that places a call every now and then, hangs it up, and repeats what got lost.

    Shape: it hangs up, and not the callee, whose leaving livekit-server now and then misses: such
    a call ends late and by another name.
    """

    def __init__(self, running: dict[str, Any]) -> None:
        self._gateway = Gateway(running["api_url"], running["api_key"])
        self._stop = threading.Event()
        self.placed: list[str] = []
        self._open: set[str] = set()

    def run(self) -> None:
        """Place calls until told to stop, and hang up each soon after its answer."""
        body = {"call_type": "sip", "phone_number": NUMBER}
        while not self._stop.is_set():
            key = {"Idempotency-Key": str(uuid4())}
            self.placed.append(until_sync(lambda key=key: self._try(body, key), 60, every=0.2))
            self._open.add(self.placed[-1])
            self._hang_up_answered()
            self._stop.wait(1.0)
        until_sync(self._hang_up_answered, 120, every=1, what="every call is over")

    def close(self) -> None:
        """Close the connection."""
        self._gateway.close()

    def stop(self) -> None:
        """Place no more."""
        self._stop.set()

    def _hang_up_answered(self) -> bool:
        for call_id in list(self._open):
            with contextlib.suppress(httpx.HTTPError):
                status = self._gateway.call(call_id)["status"]
                if status == "in_progress":
                    self._gateway.hang_up(call_id)
                elif status == "ended":
                    self._open.discard(call_id)
        return not self._open

    def _try(self, body: dict[str, Any], key: dict[str, str]) -> str | None:
        try:
            answer = self._gateway.http.post("/calls", json=body, headers=key)
        except httpx.TransportError:
            return None
        if answer.status_code in {409, 503}:
            return None
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]


@contextmanager
def load(running: dict[str, Any]) -> Generator[Client]:
    """Place calls from the side until the block ends."""
    client = Client(running)
    thread = threading.Thread(target=client.run, name="load", daemon=True)
    thread.start()
    try:
        yield client
    finally:
        client.stop()
        thread.join(600)
        client.close()
    assert not thread.is_alive(), "the load did not end"


@pytest.mark.slow
@pytest.mark.fault("F38")
def test_a_rolling_restart_under_load_fails_and_doubles_no_call(
    whole: Stack, gateway: Gateway, ledger: CarrierLedger
) -> None:
    """F38: API and workers are asked to stop, one after the other, while calls come in."""
    since = datetime.now(UTC)
    with load(whole.running) as client:
        for name in ("api", "worker", "worker-2", "api"):
            until_sync(lambda: len(client.placed) >= 2, 30)
            before = processes(whole.running)[name]
            os.kill(before, signal.SIGTERM)
            until_back(whole.running, name, before, timeout=90)

    ended = [gateway.until_ended(call_id, timeout=120) for call_id in client.placed]
    assert {(call["outcome"], call["ended_reason"]) for call in ended} == {
        ("completed", "api_hangup")
    }
    seen = ledger.calls(NUMBER, since=since)
    assert len(seen) == len(client.placed) == len(set(client.placed))
    assert len({call.call_id for call in seen}) == len(seen)
    assert all(call.invites == 1 for call in seen)
