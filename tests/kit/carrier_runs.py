"""Runs of `dialer trunks` against the stand-in of each carrier but Twilio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import respx
from pydantic import SecretStr

from tests.kit.carrier_standin import Standin
from tests.kit.plivo_standin import PlivoStandin
from tests.kit.telnyx_standin import TelnyxStandin
from tests.kit.trunk_files import NUMBER, OTHER_NUMBER, desired
from tests.kit.wavix_standin import WavixStandin
from trunks.apply import Result, apply
from trunks.desired import Desired
from trunks.looking import planned
from trunks.patience import Patience
from trunks.plivo import PlivoZentrunk
from trunks.resources import Adapter
from trunks.steps import Action
from trunks.telnyx import TelnyxTrunking
from trunks.wavix import WavixTrunking

ROUTE = {"agent": "receptionist"}
HOSTS = ("sip.example.com", "sip-2.example.com")


@dataclass
class Case:
    """A carrier: its stand-in, its adapter, and its account in the file."""

    standin: Callable[..., Standin]
    build: Callable[..., Adapter]
    account: dict[str, Any]
    wrong: dict[str, Any]


CASES = {
    "telnyx": Case(
        TelnyxStandin,
        TelnyxTrunking,
        {"kind": "telnyx", "api_key": SecretStr("API-KEY")},
        {"kind": "telnyx", "api_key": SecretStr("WRONG")},
    ),
    "plivo": Case(
        PlivoStandin,
        PlivoZentrunk,
        {"kind": "plivo", "auth_id": "MA-ID", "auth_token": SecretStr("TOKEN")},
        {"kind": "plivo", "auth_id": "MA-ID", "auth_token": SecretStr("WRONG")},
    ),
    "wavix": Case(
        WavixStandin,
        WavixTrunking,
        {"kind": "wavix", "api_key": SecretStr("API-KEY")},
        {"kind": "wavix", "api_key": SecretStr("WRONG")},
    ),
}


@dataclass
class Runs:
    """Runs of the command against one stand-in, and how long they waited.

    Units: ``waits`` in seconds.
    """

    case: Case
    standin: Standin
    waits: list[float] = field(default_factory=list[float])

    def file(self, *changes: tuple[str, Any]) -> Desired:
        """Give a file with a trunk both ways, two destinations and two numbers."""
        return desired(
            ("carriers/main", self.case.account),
            (
                "trunks/main/inbound/deliver_to",
                [
                    {"url": f"sip:{host}:5060", "priority": priority}
                    for priority, host in enumerate(HOSTS, start=1)
                ],
            ),
            (f"numbers/{NUMBER}", {"trunk": "main", "inbound": ROUTE}),
            (f"numbers/{OTHER_NUMBER}", {"trunk": "main", "inbound": ROUTE}),
            *changes,
        )

    async def apply(self, *changes: tuple[str, Any]) -> list[Result]:
        """Apply the file, as a process of its own would."""
        wanted = self.file(*changes)
        return await self._connected(wanted, lambda adapter: self._applied(wanted, adapter))

    async def pending(self, *changes: tuple[str, Any]) -> list[tuple[Action, str]]:
        """Tell what a plan would change."""
        wanted = self.file(*changes)

        async def planned_only(adapter: Adapter) -> list[tuple[Action, str]]:
            plan = await planned(wanted, [adapter], patience=self._patience)
            return [(step.action, step.key.kind) for step in plan.pending]

        return await self._connected(wanted, planned_only)

    async def _applied(self, wanted: Desired, adapter: Adapter) -> list[Result]:
        plan = await planned(wanted, [adapter], patience=self._patience)
        return await apply(plan, [adapter], patience=self._patience)

    async def _connected(self, wanted: Desired, work: Callable[[Adapter], Awaitable[Any]]) -> Any:
        adapter = self.case.build(
            carrier_name="main", carrier=wanted.carriers["main"], deployment=wanted.deployment
        )
        assert not [one for one in adapter.check(wanted) if not one.warning]
        try:
            with respx.mock(assert_all_called=False) as router:
                router.route(url__startswith=self.standin.base_url).mock(
                    side_effect=self.standin.answer
                )
                return await work(adapter)
        finally:
            await adapter.aclose()

    @property
    def _patience(self) -> Patience:
        return Patience(sleep=self._waited)

    async def _waited(self, seconds: float) -> None:
        self.waits.append(seconds)
