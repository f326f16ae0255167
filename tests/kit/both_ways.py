"""A call that went out and one that came in, and what both lose while something happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.kit.calling_in import Caller
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.on_the_phone import on_the_phone
from tests.kit.until import until_sync

#: Talks until hung up.
TALKS_ON = "+14155550133"
#: Packets that G.711 sends in a second.
PACE = 50


class Hearing:
    """How much of the agent a phone hears from now on."""

    def __init__(self, seen: Callable[[], CarrierCall]) -> None:
        self._seen = seen
        self._before = self._packets()
        self._began = time.monotonic()

    def _packets(self) -> int:
        return self._seen().rtp.get("packets_received") or 0

    def check(self) -> None:
        """Fail where more than a twentieth of it, and a second, did not arrive."""
        lasted = time.monotonic() - self._began
        heard = self._packets() - self._before
        assert heard >= PACE * lasted * 0.95 - PACE, f"{heard} packets in {lasted:.1f} s"

    def until_more(self) -> None:
        """Wait until a second's worth of packets more has come."""
        before = self._packets()
        until_sync(lambda: self._packets() >= before + PACE, 20, what="RTP goes on")


@dataclass
class BothWays:
    """Two calls that are up."""

    gateway: Gateway
    ledger: CarrierLedger
    out: dict[str, Any]
    since: datetime
    caller: Caller
    came: dict[str, Any]

    @property
    def ids(self) -> tuple[str, str]:
        """Give the ids of both."""
        return self.out["id"], self.came["id"]

    def hearing(self) -> list[Hearing]:
        """Begin to count what both phones hear."""
        return [Hearing(self._callee), Hearing(lambda: self.caller.seen)]

    def up(self) -> bool:
        """Tell whether both are still up."""
        return all(self.gateway.call(one)["status"] == "in_progress" for one in self.ids)

    def hang_up(self) -> None:
        """Let callee and caller hang up, and check that this is how both ended."""
        self.ledger.hang_up(self._callee().raw["id"])
        self.caller.hang_up()
        ended = [self.gateway.until_ended(one)["ended_reason"] for one in self.ids]
        assert ended == ["callee_hangup", "caller_hangup"]

    def _callee(self) -> CarrierCall:
        return self.ledger.only_call(TALKS_ON, since=self.since)


@contextmanager
def both_ways(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> Generator[BothWays]:
    """Bring both up and wait until both phones hear the agent; what is left is hung up."""
    out, since = on_the_phone(gateway, TALKS_ON)
    caller = Caller(running, ledger, gateway, behaviour="long_talk")
    came = gateway.until_status(caller.call(timeout=40)["id"], "in_progress")
    calls = BothWays(gateway, ledger, out, since, caller, came)
    try:
        for one in calls.hearing():
            one.until_more()
        yield calls
    finally:
        for call_id in calls.ids:
            gateway.hang_up(call_id)
