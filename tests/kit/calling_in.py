"""Somebody calls in: what LiveKit needs for it, and the simulated carrier's caller."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import httpx
from google.protobuf.duration_pb2 import Duration
from livekit import api
from livekit.protocol import sip
from typer.testing import CliRunner

from dialer.cli import app
from telephony.worker_contract import InboundJob
from tests.kit.carrier_ledger import CarrierCall, CarrierLedger
from tests.kit.gateway import Gateway
from tests.kit.until import until_sync

OUR_NUMBER = "+14155550190"
NOBODYS_NUMBER = "+14155550191"
CALLER = "+14155550150"


@contextmanager
def callable_in(
    running: dict[str, Any], *numbers: str, allowed: str = "127.0.0.0/8"
) -> Generator[None]:
    """Have LiveKit take calls to these numbers until the block ends, from the addresses allowed."""
    trunk_id, rule_id = asyncio.run(_make(running, [*numbers], allowed))
    try:
        yield
    finally:
        asyncio.run(_unmake(running, trunk_id, rule_id))


def _livekit(running: dict[str, Any]) -> api.LiveKitAPI:
    return api.LiveKitAPI(
        running["livekit_url"], running["livekit_api_key"], running["livekit_api_secret"]
    )


async def _make(running: dict[str, Any], numbers: list[str], allowed: str) -> tuple[str, str]:
    async with _livekit(running) as livekit:
        trunk = await livekit.sip.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(
                trunk=api.SIPInboundTrunkInfo(
                    name="tests",
                    numbers=numbers,
                    allowed_addresses=[allowed],
                    # The rule hides the numbers, also from us: the INVITE tells them.
                    headers_to_attributes={"From": "sip.h.from", "To": "sip.h.to"},
                    ringing_timeout=Duration(seconds=40),
                    max_call_duration=Duration(seconds=3660),
                )
            )
        )
        rule = await livekit.sip.create_dispatch_rule(
            api.CreateSIPDispatchRuleRequest(
                dispatch_rule=sip.SIPDispatchRuleInfo(
                    name="tests",
                    trunk_ids=[trunk.sip_trunk_id],
                    hide_phone_number=True,
                    rule=api.SIPDispatchRule(
                        dispatch_rule_individual=api.SIPDispatchRuleIndividual(room_prefix="tel-in")
                    ),
                    room_config=api.RoomConfiguration(
                        empty_timeout=30,
                        departure_timeout=10,
                        max_participants=4,
                        agents=[
                            api.RoomAgentDispatch(
                                agent_name="telephony", metadata=InboundJob().model_dump_json()
                            )
                        ],
                    ),
                )
            )
        )
    return trunk.sip_trunk_id, rule.sip_dispatch_rule_id


async def _unmake(running: dict[str, Any], trunk_id: str, rule_id: str) -> None:
    async with _livekit(running) as livekit:
        rule = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule_id)
        # A test may have emptied LiveKit's Redis.
        with suppress(api.TwirpError):
            await livekit.sip.delete_dispatch_rule(rule)
        with suppress(api.TwirpError):
            await livekit.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk_id))


def numbers(running: dict[str, Any], *arguments: str) -> str:
    """Run ``dialer numbers`` on the stack's database; gives what it printed."""
    done = CliRunner().invoke(
        app, ["numbers", *arguments], env={"DATABASE_URL": running["database_url"]}
    )
    assert done.exit_code == 0, done.output
    return done.stdout


class Caller:
    """One call of somebody's, as the carrier sees it."""

    def __init__(
        self,
        running: dict[str, Any],
        ledger: CarrierLedger,
        gateway: Gateway,
        *,
        to: str = OUR_NUMBER,
        caller: str = CALLER,
        behaviour: str = "talks",
        **more: Any,
    ) -> None:
        self._ledger, self._gateway = ledger, gateway
        self._since, self._number = datetime.now(UTC), caller
        self._control = running["carrier_control_url"]
        body = {"to": to, "from": caller, "behaviour": behaviour, **more}
        answer = httpx.post(f"{self._control}/originate", json=body, timeout=10)
        assert answer.status_code == 201, answer.text
        self.id: str = answer.json()["id"]

    @property
    def seen(self) -> CarrierCall:
        """Give the carrier's record as it is now."""
        answer = httpx.get(f"{self._control}/calls/{self.id}", timeout=10)
        answer.raise_for_status()
        return CarrierCall(answer.json())

    def over(self, timeout: float = 60) -> CarrierCall:
        """Wait for the end at the carrier; gives its record."""

        def done() -> CarrierCall | None:
            seen = self.seen
            return seen if seen.complete else None

        return until_sync(done, timeout, what="the carrier's side has ended")

    def call(self, timeout: float = 20) -> dict[str, Any]:
        """Wait until the gateway knows the call; gives it."""
        return until_sync(self.known, timeout, what="the gateway knows the call")

    def known(self) -> dict[str, Any] | None:
        """Give the gateway's record of it, where there is one."""
        params = {"created_from": self._since.isoformat(), "direction": "inbound"}
        found = self._gateway.http.get("/calls", params=params).json()["calls"]
        came = [call for call in found if call["caller_id"] == self._number]
        assert len(came) <= 1, came
        return came[0] if came else None

    def until_heard(self) -> None:
        """Wait until the caller hears somebody."""
        until_sync(
            lambda: self.seen.rtp.get("first_audible_at"), 40, what="somebody is heard at the phone"
        )

    def hang_up(self) -> None:
        """Let the caller hang up."""
        self._ledger.hang_up(self.id)


def received(seen: CarrierCall, status: int) -> list[dict[str, Any]]:
    """List the responses of a status that the caller got from the bridge."""
    messages = seen.raw["messages"]
    return [m for m in messages if m["direction"] == "rx" and m.get("status") == status]
