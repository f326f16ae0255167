"""How calls go while something is lost: by one trunk, or by the first of two and in as well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.kit.both_ways import Hearing
from tests.kit.calling_in import OUR_NUMBER, Caller, callable_in, numbers
from tests.kit.carrier_ledger import CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.more_trunks import second_way
from tests.kit.until import until_sync

#: The trunk of the sandbox's settings.
OWN = "outbound"


@dataclass(frozen=True)
class Ways:
    """What is there: the trunk that calls leave by, and whether somebody calls in."""

    running: dict[str, Any]
    gateway: Gateway
    ledger: CarrierLedger
    trunk: str = OWN
    inbound: bool = False

    def somebody_calls(self) -> list[Caller]:
        """Let somebody call in; nobody where there is no way in."""
        if not self.inbound:
            return []
        return [Caller(self.running, self.ledger, self.gateway, behaviour="long_talk")]

    def answered(self, callers: list[Caller], timeout: float = 60) -> None:
        """Wait until who calls in hears the agent."""
        for caller in callers:
            call = caller.call(timeout=timeout)
            self.gateway.until_status(call["id"], "in_progress")
            until_sync(
                lambda caller=caller: caller.seen.rtp.get("first_audible_at"),
                40,
                what="the caller hears us",
            )

    def hang_up(self, callers: list[Caller]) -> None:
        """Check that who called in is up and hears the agent, and let them hang up."""
        for caller in callers:
            Hearing(lambda caller=caller: caller.seen).until_more()
            call = caller.call()
            assert call["status"] == "in_progress", self.gateway.events(call["id"])
            caller.hang_up()
            assert self.gateway.until_ended(call["id"])["ended_reason"] == "caller_hangup"


@contextmanager
def two_trunks_and_callers(
    running: dict[str, Any], gateway: Gateway, ledger: CarrierLedger
) -> Generator[Ways]:
    """Have two trunks and a number of ours that can be called, until the block ends."""
    numbers(running, "add", OUR_NUMBER)
    with (
        callable_in(running, OUR_NUMBER, allowed="127.0.0.1/32"),
        second_way(running, gateway) as trunk,
    ):
        yield Ways(running, gateway, ledger, trunk, inbound=True)
